//! placeholder merged from branch tmpl
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ChangeKind {
    Added,
    Removed,
    Modified,
    Replaced,
    MaybeReplaced,
}
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ResourceChange {
    pub logical_id: String,
    pub resource_type: String,
    pub kind: ChangeKind,
    pub properties: Vec<String>,
    pub stateful: bool,
    pub broadens_iam: bool,
}

impl ResourceChange {
    pub fn adds_table(&self) -> bool {
        self.kind == ChangeKind::Added && self.resource_type == "AWS::DynamoDB::Table"
    }
}
pub mod diff {
    use super::ResourceChange;
    use crate::domain::doc::Node;
    pub fn diff(_: &Node, _: &Node) -> Vec<ResourceChange> {
        Vec::new()
    }
}
pub mod atoms {
    pub fn is_stateful(t: &str) -> bool {
        t == "AWS::DynamoDB::Table"
    }
}
