//! What relates one field, or one file, to another.

use super::{CELL, Case, FLEET, check_texts, findings_of};
use crate::domain::finding::Severity;
use crate::domain::ids::{AccountId, TenantId};

#[test]
fn tables_are_checked() {
    for case in [
        Case("{ partitionKey: a, sortKey: a }", "bad-key", (7, 44), "`a` is both", "another attribute"),
        Case("{ partitionKey: a, attributes: { b: N } }", "unknown-attribute", (7, 49), "`b` is no key", "remove"),
        Case("{ partitionKey: a, tenant: { by: index } }", "bad-tenant", (7, 35), "needs `index`", "add `index:`"),
        Case("{ partitionKey: a, tenant: { by: attribute } }", "bad-tenant", (7, 35), "needs `attribute`", "add"),
        Case(
            "{ partitionKey: a, indexes: { byTenant: { partitionKey: t } }, tenant: { by: index, index: byTenat } }",
            "unknown-reference",
            (7, 107),
            "no index `byTenat`",
            "did you mean `byTenant`?",
        ),
        Case(
            "{ partitionKey: a, tenant: { by: partitionKey, separator: x } }",
            "bad-tenant",
            (7, 63),
            "`separator` has no meaning with `by: partitionKey`",
            "`by: prefix`",
        ),
        Case(
            "{ partitionKey: a, attributes: { a: N }, tenant: { by: partitionKey } }",
            "bad-tenant",
            (7, 71),
            "declared as a number",
            "text",
        ),
    ] {
        case.assert(&findings_of(&format!("{CELL}  tables: {{ t: {} }}\n", case.0)));
    }
}

#[test]
fn names_of_atoms_are_checked() {
    let queues = "  queues:\n    a-b: {}\n    aB: {}\n";
    Case("", "duplicate-name", (9, 5), "`aB` and `a-b` would both be `AB`", "rename one")
        .assert(&findings_of(&format!("{CELL}{queues}")));
    let fences = "  tables: { fences: { partitionKey: a } }\n";
    Case("", "reserved-name", (7, 13), "`fences` is reserved", "another name")
        .assert(&findings_of(&format!("{CELL}{fences}")));
    let moved = "  queues: { moved: {} }\n";
    Case("", "reserved-name", (7, 13), "`moved` is reserved", "another name")
        .assert(&findings_of(&format!("{CELL}{moved}")));
    let dead = "  queues: { a: {}, a-dead-letters: {} }\n";
    Case("", "reserved-name", (7, 20), "dead-letter queue that `a` gets", "")
        .assert(&findings_of(&format!("{CELL}{dead}")));
}

#[test]
fn full_names_keep_to_the_limits_of_each_service() {
    let fleet = FLEET.replace("shop", "abcdefghijklmnopqrst");
    let cell = CELL.replace("cell-1", "abcdefghijklmnopqrstuvwx");
    let atom = "abcdefghijklmnopqrstuvwx";
    for (atoms, column, over, limit) in [
        (format!("  functions: {{ {atom}: {{ runtime: python3.13, handler: h, code: f }} }}\n"), 16, "by 6", "64"),
        (format!("  queues: {{ {atom}: {{ fifo: true }} }}\n"), 13, "by 8", "80"),
    ] {
        let text = format!("{cell}{atoms}");
        let files = [("cells/fleet.yaml", fleet.as_str()), ("cells/abcdefghijklmnopqrstuvwx.yaml", text.as_str())];
        let findings = check_texts(&files).expect_err("too long");
        Case("", "name-too-long", (7, column), limit, over).assert(&findings);
    }
}

#[test]
fn queues_are_checked() {
    for case in [
        Case("{ visibilityTimeout: 13h }", "bad-value", (7, 37), "13h", "use 0s to 12h"),
        Case("{ retention: 30s }", "bad-value", (7, 29), "30s", "use 1m to 14d"),
        Case("{ delay: 16m }", "bad-value", (7, 25), "16m", "use 0s to 15m"),
    ] {
        case.assert(&findings_of(&format!("{CELL}  queues: {{ q: {} }}\n", case.0)));
    }
}

#[test]
fn visibility_follows_the_slowest_consumer() {
    let text = |visibility: &str| {
        format!(
            "{CELL}  queues: {{ q: {{ visibilityTimeout: {visibility} }} }}\n  functions: {{ f: {{ runtime: python3.13, handler: h, code: f, consumes: [q], timeout: 1m }} }}\n"
        )
    };
    let refused = findings_of(&text("30s"));
    Case("", "visibility-timeout", (7, 37), "AWS refuses that", "`visibilityTimeout: 6m`").assert(&refused);
    assert_eq!(refused[0].severity, Severity::Error);
    let warned = findings_of(&text("5m"));
    Case("", "visibility-timeout", (7, 37), "handled twice", "`visibilityTimeout: 6m`").assert(&warned);
    assert_eq!(warned[0].severity, Severity::Warning);
    assert!(findings_of(&text("6m")).is_empty());
}

/// A cell with a function `f` that has one more field, on line 14, beside a table and two queues.
fn with_function(field: &str) -> String {
    format!(
        "{CELL}  tables: {{ orders: {{ partitionKey: a }} }}\n  queues: {{ jobs: {{ visibilityTimeout: 1h }}, inOrder: {{ fifo: true, visibilityTimeout: 1h }} }}\n  functions:\n    f:\n      runtime: python3.13\n      handler: h\n      code: f\n      {field}\n"
    )
}

#[test]
fn functions_are_checked() {
    for case in [
        Case("consumes: [job]", "unknown-reference", (14, 18), "no such queue", "did you mean `jobs`?"),
        Case("sends: [x]", "unknown-reference", (14, 15), "`sends` names `x`", "its queues are `inOrder`, `jobs`"),
        Case("reads: [jobs]", "unknown-reference", (14, 15), "no such table", "its tables are `orders`"),
        Case("writes: [orders, orders]", "duplicate-reference", (14, 24), "`orders` is in `writes` twice", "remove"),
        Case("streams: [order]", "unknown-reference", (14, 17), "`order`", "did you mean `orders`?"),
        Case("timeout: 16m", "bad-value", (14, 16), "16m", "use 1s to 15m"),
        Case("timeout: 0s", "bad-value", (14, 16), "0s", "use 1s to 15m"),
        Case("{consumes: [inOrder], batchSize: 11}", "bad-value", (14, 40), "FIFO", "1 to 10"),
        Case("batchSize: 5", "no-effect", (14, 7), "no effect", "`consumes`"),
        Case("environment: { AWS_REGION: x }", "reserved-name", (14, 22), "`AWS_REGION`", "`LAMBDA_`"),
    ] {
        let field = case.0.trim_start_matches('{').trim_end_matches(if case.0.starts_with('{') { '}' } else { '\0' });
        let text = with_function(&field.replace("], b", "]\n      b"));
        let lines = u32::from(text.contains("]\n      b"));
        let Case(of, code, (line, column), message, hint) = case;
        let column = if lines == 1 { 18 } else { column };
        Case(of, code, (line + lines, column), message, hint).assert(&findings_of(&text));
    }
    let long = with_function(&format!("environment: {{ A: {} }}", "x".repeat(4096)));
    Case("", "bad-value", (14, 7), "4097 bytes", "move long values").assert(&findings_of(&long));
}

#[test]
fn secrets_in_plain_text_are_refused_without_being_shown() {
    for (text, column) in [
        (with_function("environment: { DB_PASSWORD: hunter2 }"), (14, 35)),
        (with_function(&format!("environment: {{ KEY: AKIA{} }}", "HUNTER2HUNTER2XX")), (14, 27)),
        (format!("{CELL}  parameters: {{ MasterPassword: hunter2 }}\n"), (7, 33)),
    ] {
        let findings = findings_of(&text);
        Case("", "plain-secret", column, "in plain text", "{{resolve:secretsmanager:NAME:SecretString:KEY}}")
            .assert(&findings);
        assert!(!format!("{findings:?}").to_lowercase().contains("hunter2"), "{findings:?}");
    }
    let tag = findings_of(&format!("{CELL}  tags: {{ token: hunter2 }}\n"));
    Case("", "plain-secret", (7, 18), "`token` holds a secret", "remove it").assert(&tag);
    let label = CELL.replace("name: cell-1", "name: cell-1, labels: { apiKey: hunter2 }");
    Case("", "plain-secret", (3, 45), "`apiKey` holds a secret", "remove it").assert(&findings_of(&label));
    let reference = "environment: { DB_PASSWORD: '{{resolve:secretsmanager:db:SecretString:p}}' }";
    assert!(findings_of(&with_function(reference)).is_empty());
    let ssm = with_function("environment: { DB_PASSWORD: '{{resolve:ssm-secure:db}}' }");
    Case("", "bad-reference", (14, 35), "Lambda does not resolve", "secretsmanager").assert(&findings_of(&ssm));
}

#[test]
fn accounts_roles_and_regions_fit_together() {
    for case in [
        Case(
            "  account: \"444455556666\"\n",
            "missing-role",
            (7, 12),
            "not that of the fleet",
            "roleArn: arn:aws:iam::444455556666:role/NAME",
        ),
        Case(
            "  account: \"444455556666\"\n  roleArn: arn:aws:iam::777788889999:role/x\n",
            "account-mismatch",
            (8, 12),
            "777788889999",
            "correct `account`",
        ),
        Case(
            "  roleArn: arn:aws:iam::777788889999:role/x\n",
            "account-mismatch",
            (7, 12),
            "fleet's account",
            "add `account: \"777788889999\"`",
        ),
        Case("  roleArn: arn:aws-cn:iam::111122223333:role/x\n", "region-mismatch", (7, 12), "`aws-cn`", "arn:aws:"),
        Case(
            "  alarmTopic: arn:aws:sns:us-east-1:111122223333:a\n",
            "region-mismatch",
            (7, 15),
            "us-east-1",
            "a topic in eu-central-1",
        ),
    ] {
        case.assert(&findings_of(&format!("{CELL}{}", case.0)));
    }
}

#[test]
fn a_template_must_be_named_somewhere() {
    let fleet = FLEET.replace("  template: serverless\n", "");
    let findings = check_texts(&[("fleet.yaml", fleet.as_str()), ("cell-1.yaml", CELL)]).expect_err("no template");
    Case("", "missing-template", (4, 1), "neither the cell nor the fleet", "fleet.yaml").assert(&findings);
}

#[test]
fn tags_of_fleet_and_cell_count_together() {
    let tags = |prefix: &str| (0..25).map(|n| format!("    {prefix}{n}: x")).collect::<Vec<_>>().join("\n");
    let fleet = format!("{FLEET}  tags:\n{}", tags("f"));
    let cell = format!("{CELL}  tags:\n{}", tags("c"));
    let findings = check_texts(&[("fleet.yaml", &fleet), ("cell-1.yaml", &cell)]).expect_err("too many");
    Case("", "too-many-tags", (7, 3), "50 tags", "remove some").assert(&findings);
}

#[test]
fn one_fleet_and_every_cell_once() {
    let missing = check_texts(&[("cell-1.yaml", CELL)]).expect_err("no fleet");
    Case("", "missing-fleet", (0, 0), "no fleet.yaml", "write one").assert(&missing);
    let twice = check_texts(&[("fleet.yaml", FLEET), ("fleet.yml", FLEET)]).expect_err("two fleets");
    Case("", "duplicate-fleet", (0, 0), "fleet.yaml", "keep one").assert(&twice);
    let elsewhere = check_texts(&[("fleet.yaml", FLEET), ("other.yaml", FLEET)]).expect_err("elsewhere");
    Case("", "file-name", (2, 7), "other than fleet.yaml", "move this").assert(&elsewhere);
    let cells = check_texts(&[("fleet.yaml", FLEET), ("cell-1.yaml", CELL), ("cell-1.yml", CELL)]).expect_err("twice");
    assert_eq!(cells.len(), 2);
    assert!(cells[0].message.contains("cell-1.yml:3:13") && cells[1].message.contains("cell-1.yaml:3:13"), "{cells:?}");
    let renamed = check_texts(&[("fleet.yaml", FLEET), ("cell-2.yaml", CELL)]).expect_err("renamed");
    Case("", "file-name", (3, 19), "called `cell-2`", "rename the file to cell-1.yaml").assert(&renamed);
    let reserved = FLEET.replace("shop", "cellctl-x");
    let reserved = check_texts(&[("fleet.yaml", reserved.as_str())]).expect_err("reserved");
    Case("", "reserved-name", (3, 19), "reserved", "another name").assert(&reserved);
}

#[test]
fn atoms_of_two_cells_do_not_meet_under_one_name() {
    let outer = CELL.replace("cell-1", "a") + "  queues: { b-c: {} }\n";
    let inner = CELL.replace("cell-1", "a-b") + "  queues: { c: {} }\n";
    let findings = check_texts(&[("fleet.yaml", FLEET), ("a.yaml", &outer), ("a-b.yaml", &inner)]).expect_err("meet");
    Case("", "duplicate-name", (3, 13), "same full name as the queue `b-c` of the cell `a`", "rename")
        .assert(&findings);
}

#[test]
fn defaults_of_the_fleet_are_filled_in_and_cells_sorted() {
    let second = CELL.replace("cell-1", "a-cell")
        + "  account: \"444455556666\"\n  roleArn: arn:aws:iam::444455556666:role/x\n  region: us-east-1\n";
    let checked =
        check_texts(&[("fleet.yaml", FLEET), ("cell-1.yaml", CELL), ("a-cell.yaml", &second)]).expect("valid");
    let [a, b] = checked.fleet.cells.as_slice() else { panic!("two cells") };
    assert_eq!((a.id.as_str(), b.id.as_str()), ("a-cell", "cell-1"));
    assert_eq!(a.place.region.as_str(), "us-east-1");
    assert_eq!(b.place.region.as_str(), "eu-central-1");
    assert_eq!(b.place.account.as_ref().map(AccountId::as_str), Some("111122223333"));
    assert_eq!(b.template.as_str(), "serverless");
}

#[test]
fn text_that_is_no_yaml_is_a_finding_at_its_place() {
    let findings = findings_of("a: [1\nb: }");
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code, findings[0].line), ("syntax", 2));
}

/// A cell of type dedicated with room for two, and one more field on line 7.
fn dedicated(field: &str) -> String {
    let head = CELL.replace("shared", "dedicated").replace("tenants: 5", "tenants: 2");
    format!("{head}  {field}\n")
}

#[test]
fn what_placement_reads_of_a_cell_is_checked() {
    for case in [
        Case("reservedFor: [acme, globex, acme]", "duplicate-reference", (7, 31), "`acme` is in `reserv", "remove one"),
        Case("reservedFor: [a, b, c]", "bad-reservation", (7, 3), "3 tenants, but `capacity` has room for 2", "to 3"),
        Case("reservedFor: [a..b]", "bad-value", (7, 17), "`a..b`", "two dots in a row"),
        Case("tiers: [free, free]", "duplicate-reference", (7, 17), "`free` is in `tiers` twice", "remove one"),
        Case("tiers: [Free]", "bad-value", (7, 11), "`Free`", "1 to 40 lower-case letters"),
    ] {
        case.assert(&findings_of(&dedicated(case.0)));
    }
    assert_eq!(findings_of(&dedicated("reservedFor: [acme, globex]")), []);
    assert_eq!(findings_of(&dedicated("reservedFor: []")), []);
    let shared = findings_of(&format!("{CELL}  reservedFor: [acme]\n"));
    Case("", "bad-reservation", (7, 3), "no meaning with `type: shared`", "`type: dedicated`").assert(&shared);
    for capacity in ["tenants: 0", "tenants: 0, weight: 0", "tenants: 10000000, weight: 1000000000"] {
        assert_eq!(findings_of(&CELL.replace("tenants: 5", capacity)), [], "{capacity}");
    }
}

#[test]
fn a_reserved_name_is_any_that_a_tenant_may_have() {
    let (longest, long) = ("a".repeat(128), "a".repeat(129));
    for name in ["acme", "0b1c", "org_12.eu", "a.", "A-", longest.as_str(), long.as_str(), "", "_a", ".a", "a/b", "a b"]
    {
        let refused = findings_of(&dedicated(&format!("reservedFor: [\"{name}\"]")));
        assert_eq!(refused.is_empty(), name.parse::<TenantId>().is_ok(), "{name}: {refused:?}");
    }
}

#[test]
fn a_residency_is_named_well_and_has_a_cell() {
    let (longest, long) = (format!("a{}", "-b".repeat(19)), format!("a{}", "-b".repeat(20)));
    for (residency, code, column) in [
        ("{ eu: [eu-central-1, eu-central-1] }", "duplicate-reference", 35),
        ("{ eu: [] }", "bad-value", 20),
        ("{ eu: [frankfurt] }", "bad-value", 21),
        ("{ EU: [eu-central-1] }", "bad-name", 16),
        (&*format!("{{ {long}: [eu-central-1] }}"), "bad-name", 16),
    ] {
        let fleet = format!("{FLEET}  residency: {residency}\n");
        let findings = check_texts(&[("fleet.yaml", &fleet), ("cell-1.yaml", CELL)]).expect_err(residency);
        assert_eq!((findings[0].code, findings[0].line, findings[0].column), (code, 8, column), "{findings:#?}");
        assert!(findings.iter().all(|f| f.hint.is_some()), "{findings:#?}");
    }
    let fleet = format!("{FLEET}  residency:\n    {longest}: [eu-central-1]\n    us: [us-east-1, us-west-2]\n");
    let checked = check_texts(&[("fleet.yaml", &fleet), ("cell-1.yaml", CELL)]).expect("warnings only");
    Case("", "empty-residency", (10, 5), "no cell is in a Region of the residency `us`", "define a cell")
        .assert(&checked.warnings);
    assert_eq!(checked.warnings[0].severity, Severity::Warning);
    assert_eq!(checked.fleet.residency.len(), 2);
    let alone = check_texts(&[("fleet.yaml", &fleet)]).expect("no cells yet");
    assert_eq!(alone.warnings, []);
}
