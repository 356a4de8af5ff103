"""Models behind an HTTP address: OpenAI-compatible servers, and Gemini; nothing is sent without
consent.
"""
