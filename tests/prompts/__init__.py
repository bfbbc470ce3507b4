"""What holds for prompts: references, templates, the folder, Langfuse, and the choice between sources."""
