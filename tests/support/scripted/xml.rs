//! Writing answers of the AWS Query protocol.
//!
//! Owns: the tree of elements that an action answers with, and the envelope around it. Constraint kept: escaping is
//! left to the SDK's own XML writer.

use aws_smithy_xml::encode::{ScopeWriter, XmlWriter};

use super::errors::Refusal;

const NAMESPACE: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";

/// One element: text or children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// An element that holds text.
#[expect(clippy::needless_pass_by_value, reason = "callers pass numbers, borrowed and owned texts alike")]
pub(crate) fn leaf(name: &str, text: impl ToString) -> Element {
    Element { name: name.to_owned(), text: text.to_string(), children: Vec::new() }
}

/// An element that holds others.
pub(crate) fn node(name: &str, children: Vec<Element>) -> Element {
    Element { name: name.to_owned(), text: String::new(), children }
}

/// A list: each item's children inside a `member`.
pub(crate) fn list(name: &str, items: impl IntoIterator<Item = Vec<Element>>) -> Element {
    node(name, items.into_iter().map(|children| node("member", children)).collect())
}

/// A list of texts.
pub(crate) fn texts<T: ToString>(name: &str, items: impl IntoIterator<Item = T>) -> Element {
    node(name, items.into_iter().map(|text| leaf("member", text)).collect())
}

/// The text element, where there is a text.
pub(crate) fn maybe<T: ToString>(name: &str, text: Option<T>) -> Option<Element> {
    text.map(|text| leaf(name, text))
}

/// The document of a success.
pub(crate) fn success(action: &str, result: &[Element], request_id: &str) -> String {
    let (response, wrapper) = (format!("{action}Response"), format!("{action}Result"));
    let mut body = String::new();
    {
        let mut writer = XmlWriter::new(&mut body);
        let mut root = writer.start_el(&response).write_ns(NAMESPACE, None).finish();
        {
            let mut inner = root.start_el(&wrapper).finish();
            for element in result {
                write(&mut inner, element);
            }
        }
        write(&mut root, &node("ResponseMetadata", vec![leaf("RequestId", request_id)]));
    }
    body
}

/// The document of a refusal.
pub(crate) fn failure(refusal: &Refusal, request_id: &str) -> String {
    let kind = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let error = vec![leaf("Type", kind), leaf("Code", refusal.code), leaf("Message", &refusal.message)];
    let mut body = String::new();
    {
        let mut writer = XmlWriter::new(&mut body);
        let mut root = writer.start_el("ErrorResponse").write_ns(NAMESPACE, None).finish();
        write(&mut root, &node("Error", error));
        write(&mut root, &leaf("RequestId", request_id));
    }
    body
}

fn write(parent: &mut ScopeWriter<'_, '_>, element: &Element) {
    let mut scope = parent.start_el(&element.name).finish();
    if !element.text.is_empty() {
        scope.data(&element.text);
    }
    for child in &element.children {
        write(&mut scope, child);
    }
}
