//! What the fields of a row mean, and what is said of one that means nothing.

use super::*;

const AT: At = At { row: 3, line: 4 };

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn row(fields: &[(&str, Value)]) -> Result<Row, Vec<BadRow>> {
    interpret(AT, fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

#[test]
fn everything_that_can_be_given_is_read() {
    let given = row(&[
        ("tenant", text("acme")),
        ("tier", text("gold")),
        ("residency", text("eu")),
        ("regions", text("eu-central-1; eu-west-1")),
        ("dedicated", text("yes")),
        ("canary", Value::Bool(false)),
        ("weight", Value::Number("7".to_owned())),
        ("labels", text("team=a b;ring=1")),
        ("label.owner", text("x")),
        ("cell", text("cell-2")),
    ])
    .expect("good");
    let attributes = given.wishes.over(&Attributes::default());
    assert_eq!((attributes.weight, attributes.dedicated, attributes.canary), (7, true, false));
    assert_eq!((attributes.regions.len(), attributes.labels.len()), (2, 3));
    assert_eq!(attributes.labels["team"], "a b");
    assert_eq!(given.cell.expect("named").as_str(), "cell-2");
}

#[test]
fn what_is_not_given_stays() {
    let known = row(&[("tenant", text("acme")), ("tier", text("gold")), ("labels", text("a=1;b=2"))]).expect("good");
    let known = known.wishes.over(&Attributes::default());
    let given = row(&[("tenant", text("acme")), ("tier", Value::Absent), ("labels", text("b=3"))]).expect("good");
    let now = given.wishes.over(&known);
    assert_eq!(now.tier, known.tier);
    assert_eq!((now.labels["a"].as_str(), now.labels["b"].as_str()), ("1", "3"));
}

#[test]
fn tenant_names_that_could_do_harm_are_refused_with_the_rule() {
    let long = "a".repeat(300);
    for bad in [
        "-a",
        "a b",
        "../etc/passwd",
        "a/b",
        "a#b",
        "a\nb",
        "a\0",
        "\u{430}cme",
        "acm\u{e9}",
        "a\u{200b}b",
        "$(id)",
        "a'; DROP",
        "={1+1}",
        ":v OR 1",
        "{\"S\":\"x\"}",
        "%2e%2e",
        long.as_str(),
    ] {
        let found = row(&[("tenant", text(bad))]).expect_err(bad);
        assert_eq!((found.len(), found[0].field.as_deref(), found[0].at), (1, Some("tenant"), AT), "{bad:?}");
        assert!(found[0].hint.as_ref().expect("a rule").contains("1 to 128"), "{bad:?}");
        assert!(found[0].message.len() < 400 && !found[0].message.contains(['\n', '\0']), "{bad:?}");
    }
    let found = row(&[("tenant", text("\u{430}cme"))]).expect_err("Cyrillic");
    assert!(found[0].hint.as_ref().expect("hint").contains("U+0430"), "{found:?}");
    for nothing in [vec![], vec![("tenant", Value::Absent)]] {
        assert_eq!(row(&nothing).expect_err("no tenant")[0].code, "no-tenant");
    }
}

#[test]
fn every_bad_value_of_a_row_is_told() {
    let found = row(&[
        ("tenant", text("acme")),
        ("teir", text("gold")),
        ("tier", text("Gold")),
        ("weight", text("0")),
        ("dedicated", text("maybe")),
        ("regions", Value::List(vec![text("frankfurt"), Value::Bool(true)])),
        ("labels", text("oops;=1;a=1,2")),
        ("cell", Value::Number("3".to_owned())),
        ("canary", Value::List(vec![])),
        ("tier", text("gold")),
    ])
    .expect_err("bad");
    let codes: Vec<&str> = found.iter().map(|bad| bad.code).collect();
    let expected = [
        "unknown-field",
        "invalid-value",
        "invalid-value",
        "invalid-value",
        "invalid-value",
        "wrong-type",
        "invalid-value",
        "invalid-label",
        "invalid-label",
        "wrong-type",
        "wrong-type",
        "duplicate-field",
    ];
    assert_eq!(codes, expected, "{found:#?}");
    assert!(found[0].hint.as_ref().expect("hint").contains("did you mean `tier`"));
    assert!(found.iter().all(|bad| bad.tenant.as_deref() == Some("acme") && bad.hint.is_some()));
}

#[test]
fn weights_are_bounded() {
    for bad in ["-1", "0", "1.5", "1e3", "1000000001", "99999999999999999999", "x", "0x10"] {
        assert!(row(&[("tenant", text("a")), ("weight", text(bad))]).is_err(), "{bad}");
    }
}

#[test]
fn a_row_has_a_bounded_number_of_complaints() {
    let mut fields = vec![("tenant".to_owned(), text("a"))];
    fields.extend((0..5000).map(|n| (format!("x{n}"), text("y"))));
    assert_eq!(interpret(AT, fields).expect_err("bad").len(), 20);
}

#[test]
fn a_finding_names_row_and_line() {
    let found = row(&[("tenant", text("a")), ("weight", text("x"))]).expect_err("bad");
    let finding = found[0].finding("tenants.csv");
    assert_eq!((finding.line, finding.column), (4, 0));
    assert!(finding.message.starts_with("row 3: weight: "), "{}", finding.message);
}
