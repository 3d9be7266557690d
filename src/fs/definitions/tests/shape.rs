//! Fields: known, present, of the right type and form.

use super::{CELL, Case, FLEET, check_texts, findings_of};

#[test]
fn what_stands_in_the_spec_is_checked_field_by_field() {
    for case in [
        Case("  tabels: {}\n", "unknown-field", (7, 3), "unknown field `tabels` in `spec`", "did you mean `tables`?"),
        Case("  zzz: 1\n", "unknown-field", (7, 3), "`zzz`", "known fields are `"),
        Case("  <<: {}\n", "unknown-field", (7, 3), "`<<`", "merge keys"),
        Case(
            "  tables: { a: { sortKey: x } }\n",
            "missing-field",
            (7, 13),
            "`partitionKey` is missing in `spec.tables.a`",
            "Attribute that is the partition key",
        ),
        Case(
            "  tables: { a: { partitonKey: x } }\n",
            "unknown-field",
            (7, 18),
            "`partitonKey`",
            "did you mean `partitionKey`?",
        ),
        Case(
            "  account: 012345678901\n",
            "wrong-type",
            (7, 12),
            "the number `012345678901`, but must be text",
            "quotes: \"012345678901\"",
        ),
        Case(
            "  account: \"1234\"\n",
            "bad-value",
            (7, 12),
            "`account` in `spec` cannot be `1234`",
            "exactly 12 digits",
        ),
        Case("  region: frankfurt\n", "bad-value", (7, 11), "`frankfurt`", "eu-central-1"),
        Case(
            "  queues: { q: { delay: 5 } }\n",
            "wrong-type",
            (7, 25),
            "the number `5`",
            "add a unit: `5s` for seconds",
        ),
        Case("  queues: { q: { delay: 5 m } }\n", "bad-value", (7, 25), "`5 m`", "whole number and a unit"),
        Case("  queues: { q: { delay: 99999999d } }\n", "bad-value", (7, 25), "`99999999d`", "unit"),
        Case("  queues: { q: { fifo: yes } }\n", "wrong-type", (7, 24), "the text `yes`", "write `true`: to YAML 1.2"),
        Case("  queues: { q: { fifo: \"true\" } }\n", "wrong-type", (7, 24), "`true` or `false`", "without quotes"),
        Case("  queues: { q: { deadLetterAfter: 2000 } }\n", "bad-value", (7, 35), "`2000`", "from 1 to 1000"),
        Case(
            "  queues: { q: { deadLetterAfter: \"5\" } }\n",
            "wrong-type",
            (7, 35),
            "a whole number",
            "remove the quotes: 5",
        ),
        Case(
            "  queues: { q: { deadLetterAfter: 1.5 } }\n",
            "wrong-type",
            (7, 35),
            "the number `1.5`",
            "without a fraction",
        ),
        Case("  queues:\n", "wrong-type", (7, 9), "empty", "give it a value, or remove the line"),
        Case("  queues: [a]\n", "wrong-type", (7, 11), "a list, but must be a mapping", "without the leading hyphens"),
        Case(
            "  queues: { Orders: {} }\n",
            "bad-name",
            (7, 13),
            "`Orders` cannot be a name in `spec.queues`",
            "lower-case letter",
        ),
        Case("  labels: {}\n", "unknown-field", (7, 3), "`labels`", ""),
        Case("  tags: { a: 5 }\n", "wrong-type", (7, 14), "the number `5`", "put it in quotes: \"5\""),
        Case("  tags: { \"AWS:x\": y }\n", "bad-name", (7, 11), "`AWS:x`", "reserved"),
        Case("  parameters: { a-b: y }\n", "bad-name", (7, 17), "`a-b`", "letters and digits"),
        Case(
            "  queues: { q: { tenant: tenantId } }\n",
            "wrong-type",
            (7, 26),
            "the text `tenantId`, but must be a mapping",
            "below `tenant:`, indented: `attribute`",
        ),
        Case("  template: !Ref X\n", "unknown-tag", (7, 13), "`!Ref`", "templates only"),
        Case("  logRetentionDays: 31\n", "bad-value", (7, 21), "`31`", "use one of `1`, `3`"),
        Case("  fenceShards: 33\n", "bad-value", (7, 16), "`33`, which is out of range", "from 1 to 32"),
        Case("  template: My_Template\n", "bad-value", (7, 13), "has a character other than", "lower-case"),
    ] {
        let findings = findings_of(&format!("{CELL}{}", case.0));
        // The template `X` is no valid name either: only the tag is of interest.
        case.assert(&findings[..findings.len().min(if case.1 == "unknown-tag" { 1 } else { usize::MAX })]);
    }
}

#[test]
fn functions_are_checked_field_by_field() {
    let head = "  functions:\n    f:\n      runtime: python3.13\n      handler: index.handler\n      code: f\n";
    for case in [
        Case("      reads: a\n", "wrong-type", (12, 14), "the text `a`, but must be a list", "`reads: [a]`"),
        Case("      memory: 64\n", "bad-value", (12, 15), "`64`", "from 128 to 10240"),
        Case("      memory: 64MB\n", "wrong-type", (12, 15), "`64MB`", "digits only"),
        Case("      environment: { 1A: x }\n", "bad-name", (12, 22), "`1A`", "starting with a letter"),
        Case("      environment: { A: true }\n", "wrong-type", (12, 25), "the boolean `true`", "quotes: \"true\""),
        Case("      reads: [1]\n", "wrong-type", (12, 15), "item 1 in `spec.functions.f.reads`", "quotes"),
    ] {
        case.assert(&findings_of(&format!("{CELL}{head}{}", case.0)));
    }
}

#[test]
fn the_head_of_a_file_is_checked() {
    for (from, to, case) in [
        ("cellctl/v1", "cellctl/v2", Case("", "bad-value", (1, 13), "`cellctl/v2`", "newer cellctl")),
        ("kind: Cell", "kind: Sell", Case("", "bad-value", (2, 7), "`Sell`", "`kind: Cell`")),
        ("kind: Cell\n", "", Case("", "missing-field", (1, 1), "`kind` is missing", "add `kind: Cell`")),
        ("type: shared", "type: sharde", Case("", "bad-value", (5, 9), "cannot be `sharde`", "did you mean `shared`?")),
        ("type: shared", "type: big", Case("", "bad-value", (5, 9), "`big`", "use one of `shared`, `dedicated`")),
        ("tenants: 5", "tenants: -5", Case("", "bad-value", (6, 24), "`-5`", "from 0 to 10000000")),
    ] {
        case.assert(&findings_of(&CELL.replace(from, to)));
    }
}

#[test]
fn names_that_cloudformation_would_refuse_are_explained() {
    for (name, fault) in [
        ("Cell", "upper-case"),
        ("a_b", "other than letters"),
        ("1a", "start with a letter"),
        ("a-", "ends with a hyphen"),
        ("a--b", "two hyphens"),
    ] {
        let text = CELL.replace("cell-1", name);
        let path = format!("cells/{name}.yaml");
        let findings = check_texts(&[("cells/fleet.yaml", FLEET), (&path, &text)]).expect_err(name);
        Case("", "bad-value", (3, 19), fault, "lower-case letters, digits and single hyphens").assert(&findings);
    }
    let long = "a".repeat(25);
    let path = format!("cells/{long}.yaml");
    let text = CELL.replace("cell-1", &long);
    let findings = check_texts(&[("cells/fleet.yaml", FLEET), (&path, &text)]).expect_err("long");
    Case("", "bad-value", (3, 19), "25 characters", "at most 24").assert(&findings);
}

#[test]
fn six_errors_of_a_file_come_at_once_and_in_order() {
    let text = CELL.replace("shared", "sharde")
        + "  account: 111122223333\n  tabels: {}\n  queues: { q: { delay: 5 } }\n  logRetentionDays: 2\n  region: x\n";
    let findings = findings_of(&text);
    let lines: Vec<u32> = findings.iter().map(|f| f.line).collect();
    assert_eq!(lines, [5, 7, 8, 9, 10, 11], "{findings:#?}");
    assert!(findings.iter().all(|f| f.excerpt.is_some() && f.hint.is_some()));
}

#[test]
fn an_excerpt_never_shows_a_secret() {
    let text = format!("{CELL}  parametrs: {{ a: b, Password: hunter2 }}\n");
    let findings = findings_of(&text);
    assert_eq!(findings.len(), 1);
    assert!(!format!("{findings:?}").contains("hunter2"));
}

#[test]
fn findings_of_a_file_are_bounded() {
    let many = (0..500).map(|n| format!("  zz{n}: 1")).collect::<Vec<_>>().join("\n");
    let findings = findings_of(&format!("{CELL}{many}"));
    assert_eq!(findings.len(), 101);
    assert!(findings.iter().any(|f| f.code == "too-many-findings"));
}
