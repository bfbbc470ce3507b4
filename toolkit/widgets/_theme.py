"""The colours of every widget: the host's own variables, with fallbacks where a host has none."""

from __future__ import annotations

PREFIX = "pk"
"""Every class and variable of ours begins with this: a notebook's styles and a widget's are one page."""

# Ours: JupyterLab's and Notebook's, then VS Code's, then what any page has.
_HOSTS = {
    "fg": ("--jp-content-font-color1", "--vscode-editor-foreground", "CanvasText"),
    "bg": ("--jp-layout-color1", "--vscode-editor-background", "Canvas"),
    "raised": ("--jp-layout-color2", "--vscode-editorWidget-background", "rgba(128,128,128,.12)"),
    "line": ("--jp-border-color2", "--vscode-panel-border", "rgba(128,128,128,.4)"),
    "brand": ("--jp-brand-color1", "--vscode-focusBorder", "#1976d2"),
    "good": ("--jp-success-color1", "--vscode-testing-iconPassed", "#2e7d32"),
    "bad": ("--jp-error-color1", "--vscode-errorForeground", "#d32f2f"),
    "warn": ("--jp-warn-color1", "--vscode-editorWarning-foreground", "#b26a00"),
    "font": ("--jp-ui-font-family", "--vscode-font-family", "system-ui,sans-serif"),
    "mono": ("--jp-code-font-family", "--vscode-editor-font-family", "ui-monospace,monospace"),
}


def value(name: str) -> str:
    """Returns what an inline style writes for one of our colours or fonts; it needs no style sheet.

    Example:
        >>> value("good")
        'var(--jp-success-color1,var(--vscode-testing-iconPassed,#2e7d32))'
    """
    jupyter, vscode, fallback = _HOSTS[name]
    return f"var({jupyter},var({vscode},{fallback}))"


CODE = f"white-space:pre-wrap;font-family:{value('mono')};font-size:.95em"
"""Inline style of Python in static HTML."""


def theme_css(scope: str = f".{PREFIX}") -> str:
    """Returns the rule that sets our variables, `--pk-fg` and so on, on everything within `scope`.

    Faint text is mixed from the text's own colour, so that it keeps its contrast on light and on dark pages.
    """
    lines = [f"--{PREFIX}-{name}:{value(name)};" for name in _HOSTS]
    lines += [
        f"--{PREFIX}-faint:color-mix(in srgb,var(--{PREFIX}-fg) 72%,var(--{PREFIX}-bg));",
        f"--{PREFIX}-good-tint:color-mix(in srgb,var(--{PREFIX}-good) 22%,transparent);",
        f"--{PREFIX}-bad-tint:color-mix(in srgb,var(--{PREFIX}-bad) 20%,transparent);",
        f"--{PREFIX}-warn-tint:color-mix(in srgb,var(--{PREFIX}-warn) 22%,transparent);",
        f"color:var(--{PREFIX}-fg);font-family:var(--{PREFIX}-font);font-size:13px;line-height:1.45;",
    ]
    return f"{scope}{{{''.join(lines)}}}"
