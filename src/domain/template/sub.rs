//! Strings with placeholders, as `Fn::Sub` and `Fn::Join` write them.
//!
//! Owns: the reading of `${Name}`. Constraint kept: what CloudFormation takes literally (`${!Name}`) stays literal.

use crate::domain::doc::Node;

/// A part of a string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    /// Text that stands as it is.
    Text(String),
    /// A placeholder: a parameter, a pseudo parameter, a resource, or `Resource.Attribute`.
    Var(String),
}

/// The parts of the text of a `Fn::Sub`.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else { break };
        push_text(&mut out, before);
        match name.strip_prefix('!') {
            Some(literal) => push_text(&mut out, &format!("${{{literal}}}")),
            None => out.push(Piece::Var(name.trim().to_owned())),
        }
        rest = tail;
    }
    push_text(&mut out, rest);
    out
}

fn push_text(out: &mut Vec<Piece>, text: &str) {
    match out.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => out.push(Piece::Text(text.to_owned())),
    }
}

/// The text of a `Fn::Sub` and its own variables, from its argument in either form.
pub(super) fn sub_argument(argument: &Node) -> Option<(&str, Option<&Node>)> {
    match argument.items() {
        [text, variables] => text.as_str().map(|t| (t, Some(variables))),
        _ => argument.as_str().map(|t| (t, None)),
    }
}

/// The name that a `Fn::GetAtt` asks for, as `Resource.Attribute`, from its argument in either form.
pub(super) fn get_att(argument: &Node) -> Option<String> {
    match argument.items() {
        [resource, attribute] => Some(format!("{}.{}", resource.as_str()?, attribute.as_str().unwrap_or("?"))),
        _ => argument.as_str().map(str::to_owned),
    }
}

/// The parts that a value is made of; several lists where it depends on a condition; none where it cannot be told.
pub(super) fn flatten(node: &Node) -> Vec<Vec<Piece>> {
    let Some(call) = node.intrinsic() else {
        return node.as_str().map(|text| vec![Piece::Text(text.to_owned())]).into_iter().collect();
    };
    match call.name.as_str() {
        "Ref" => call.argument.as_str().map(|name| vec![Piece::Var(name.to_owned())]).into_iter().collect(),
        "GetAtt" => get_att(call.argument).map(|name| vec![Piece::Var(name)]).into_iter().collect(),
        "Sub" => sub_argument(call.argument).map(|(text, own)| substituted(text, own)).into_iter().collect(),
        "Join" => joined(call.argument).into_iter().collect(),
        "If" => call.argument.items().iter().skip(1).flat_map(flatten).collect(),
        _ => Vec::new(),
    }
}

/// The parts of a `Fn::Sub` with its own variables put in.
fn substituted(text: &str, own: Option<&Node>) -> Vec<Piece> {
    let value = |name: &str| own.and_then(|o| o.get(name)).and_then(|v| flatten(v).into_iter().next());
    let replace = |piece: Piece| match piece {
        Piece::Var(name) => value(&name).unwrap_or_else(|| vec![Piece::Var(name)]),
        text @ Piece::Text(_) => vec![text],
    };
    pieces(text).into_iter().flat_map(replace).collect()
}

fn joined(argument: &Node) -> Option<Vec<Piece>> {
    let [delimiter, list] = argument.items() else { return None };
    let delimiter = delimiter.as_str()?;
    let mut out = Vec::new();
    for (index, item) in list.items().iter().enumerate() {
        if index > 0 {
            out.push(Piece::Text(delimiter.to_owned()));
        }
        out.extend(flatten(item).into_iter().next()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_literals() {
        let var = |name: &str| Piece::Var(name.to_owned());
        let text = |name: &str| Piece::Text(name.to_owned());
        assert_eq!(pieces("a-${B}-${!C}-${D.Arn}"), [text("a-"), var("B"), text("-${C}-"), var("D.Arn")]);
        assert_eq!(pieces("${open"), [text("${open")]);
    }
}
