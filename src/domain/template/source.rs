//! A template as it was read: its name, its file and its text.

use crate::domain::ids::TemplateName;

/// One template, as its file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSource {
    /// Name of the template: that of its folder.
    pub name: TemplateName,
    /// The file, as the user would name it.
    pub file: String,
    /// The text of the file.
    pub text: String,
    /// Whether the text is expanded over the cell (`template.yaml.j2`) or used as it is.
    pub dynamic: bool,
}

/// Names of the files that may hold a template, the dynamic one first. A folder has exactly one of them.
pub const FILE_NAMES: [&str; 4] = ["template.yaml.j2", "template.yaml", "template.yml", "template.json"];
