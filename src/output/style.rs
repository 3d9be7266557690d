//! Colours, few and always beside a word that says the same.

/// Colours text, or leaves it alone.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    color: bool,
}

impl Style {
    /// A style with or without colours.
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Something that went well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Something that went wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Something to look at.
    pub fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Something that matters.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Something beside the point.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Whether colours are on.
    pub fn is_colored(self) -> bool {
        self.color
    }
}
