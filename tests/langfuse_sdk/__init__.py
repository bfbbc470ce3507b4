"""The real Langfuse SDK, whichever major is installed, drives the fake Langfuse."""
