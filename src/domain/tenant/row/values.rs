//! A value of a row, before it is known what it means.
//!
//! Owns: the one form in which the values of CSV, JSON lines and YAML are interpreted. Constraint kept: nothing is
//! guessed: a number is not taken for a name.

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Not given: empty, or null.
    Absent,
    /// A text. A format without types (CSV, plain YAML) gives numbers and booleans as text as well.
    Text(String),
    /// A number, as written.
    Number(String),
    /// True or false.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
    /// An object, in the order of its fields.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A text, or nothing where it is empty.
    pub fn text(text: &str) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text.to_owned()) }
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}
