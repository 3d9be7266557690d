//! Checks, expansion, parameters, digests and the cache.

use std::sync::Arc;

use serde_json::json;

use super::{cell, code, complaints, fleet, parse, render, source};
use crate::domain::template::Renderer;

const QUEUE: &str =
    "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Sub ${AWS::StackName}-a\n";

#[test]
fn shape_and_quotas_are_checked() {
    assert_eq!(complaints("a"), [("template-shape", 1)]);
    assert_eq!(complaints("A: 1\n"), [("template-shape", 1)]);
    assert_eq!(
        complaints("Resources:\n  a-b: { Type: X::Y::Z }\n  C: {}\n"),
        [("logical-id", 2), ("resource-type", 3)]
    );
    let many: Vec<String> = (0..501).map(|i| format!("  R{i}: {{ Type: X::Y::Z }}\n")).collect();
    let findings = render("template.yaml", &format!("Resources:\n{}", many.concat())).expect_err("refused");
    assert!(findings[0].message.contains("501") && findings[0].message.contains("500"), "{findings:?}");
    let big = format!("{QUEUE}Description: {}\n", "x".repeat(1_000_000));
    assert_eq!(complaints(&big), [("template-too-large", 0)]);
    assert_eq!(complaints("Resources: [\n"), [("template-syntax", 1)]);
}

#[test]
fn references_must_lead_somewhere() {
    let with = |value: &str| format!("{QUEUE}      Tags: {value}\n");
    for bad in [
        "!Ref P",
        "!GetAtt P.Arn",
        "!GetAtt [P, Arn]",
        "!Sub 'x${P}'",
        "!Sub '${P.Arn}'",
        "{ 'Fn::GetAtt': [P, A] }",
        "!If [P, a, b]",
        "!Ref AWS::StackNam",
    ] {
        assert_eq!(complaints(&with(bad)), [("undefined-reference", 6)], "{bad}");
    }
    for good in [
        "!Ref Q",
        "!Ref AWS::Region",
        "!Sub '${!P}'",
        "!Sub ['${v}', { v: 1 }]",
        "{ Condition: { StringEquals: { a: b } } }",
    ] {
        assert_eq!(complaints(&with(good)), [], "{good}");
    }
    let findings = render("template.yaml", &format!("{QUEUE}    DependsOn: Elsewhere\n")).expect_err("refused");
    assert_eq!(findings[0].hint.as_deref(), Some("define it, or correct the name"));
    assert_eq!(complaints(&format!("{}Transform: AWS::Serverless-2016-10-31\n", with("!Ref Made"))), []);
}

#[test]
fn what_cellctl_does_not_know_passes_unharmed() {
    let text = "AWSTemplateFormatVersion: \"2010-09-09\"\nMappings:\n  M:\n    a:\n      b: 012345678901\nConditions:\n  C: !Equals\n    - !Ref AWS::Region\n    - eu-central-1\nResources:\n  X:\n    Type: My::Own::Thing\n    Condition: C\n    Properties:\n      Account: \"012345678901\"\n      Flag: \"no\"\n      Text: |\n        one\n        two\n      Map: !FindInMap\n        - M\n        - a\n        - b\n";
    assert_eq!(render("template.yaml", text).expect("renders").template.body, text);
}

#[test]
fn cloudformation_placeholders_survive_the_expansion() {
    let text = format!(
        "{QUEUE}      Tags:\n{{% for t in ['a'] %}}\n        - {{ Key: ${{{{ t }}}}, Value: '{{{{resolve:ssm:x}}}}' }}\n{{% endfor %}}\n{{# gone #}}\n"
    );
    let body = &render("template.yaml.j2", &text).expect("renders").template.body;
    assert!(body.contains("!Sub ${AWS::StackName}-a") && body.contains("Key: a"), "{body}");
    assert!(body.contains("Value: \"{{resolve:ssm:x}}\"") && !body.contains("gone"), "{body}");
}

#[test]
fn faults_of_an_expansion_have_line_excerpt_and_hint() {
    for (text, line, hint) in [
        ("a: 1\nb: ${{ cell.nam }}\n", 2, "cell.name"),
        ("a: 1\n\n{% for x in %}\n", 3, "syntax"),
        ("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}\n", 1, "loop"),
        ("{% include 'x' %}\n", 1, "syntax"),
    ] {
        let findings = render("template.yaml.j2", text).expect_err(text);
        assert_eq!((findings[0].code, findings[0].line), ("template-expansion", line), "{findings:?}");
        assert!(
            findings[0].excerpt.is_some() && findings[0].hint.as_deref().is_some_and(|h| h.contains(hint)),
            "{findings:?}"
        );
    }
    let flood = format!("{{% for a in range(9000) %}}{}{{% endfor %}}", "x".repeat(1_000));
    assert_eq!(render("template.yaml.j2", &flood).expect_err("too large")[0].code, "template-too-large");
}

#[test]
fn parameters_are_filled_or_missed() {
    let text = format!(
        "{QUEUE}Parameters:\n  CellName: {{ Type: String }}\n  Size: {{ Type: Number }}\n  Mode: {{ Type: String, Default: a }}\n"
    );
    let good = fleet(vec![cell("cell-1", json!({ "parameters": { "Size": "3" } }))]);
    let renderer = Renderer::new([source("template.yaml", &text)], parse);
    let stack = renderer.render(&good, &good.cells[0], &code()).expect("renders");
    let pairs: Vec<_> = stack.parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(pairs, [("CellName", "cell-1"), ("Size", "3")]);
    let bad = fleet(vec![cell("cell-1", json!({ "parameters": { "Sized": "3" } }))]);
    let findings = renderer.render(&bad, &bad.cells[0], &code()).expect_err("refused");
    let codes: Vec<_> = findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["unknown-parameter", "missing-parameter"]);
    assert_eq!(findings[0].hint.as_deref(), Some("did you mean `Size`?"));
}

#[test]
fn a_stack_has_its_names_and_tags() {
    let stack = render("template.yaml", QUEUE).expect("renders");
    assert_eq!(
        (stack.stack.as_str(), stack.queues.as_slice()),
        ("shop-cell-1", ["shop-cell-1-a".to_owned()].as_slice())
    );
    let tags: Vec<_> = stack.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(tags, ["cellctl:cell=cell-1", "cellctl:fleet=shop", "team=orders"]);
}

#[test]
fn equal_cells_share_a_template_and_digests_tell_all_else() {
    let cells =
        vec![cell("cell-1", json!({})), cell("cell-2", json!({})), cell("cell-3", json!({ "tags": { "a": "b" } }))];
    let fleet = fleet(cells);
    let renderer =
        Renderer::new([source("template.yaml.j2", &format!("{QUEUE}{{% if cell.tables %}}{{% endif %}}"))], parse);
    let render = |index: usize| renderer.render(&fleet, &fleet.cells[index], &code()).expect("renders");
    assert!(
        Arc::ptr_eq(&render(0).template, &render(1).template) && Arc::ptr_eq(&render(0).template, &render(2).template)
    );
    assert_eq!(render(0).digest, render(0).digest);
    assert_ne!(render(0).digest, render(1).digest);
    let other = Renderer::new([source("template.yaml.j2", QUEUE)], parse);
    assert_eq!(other.render(&fleet, &fleet.cells[0], &code()).expect("renders").digest, render(0).digest);
}

#[test]
fn a_template_that_reads_the_name_is_expanded_for_each_cell() {
    let fleet = fleet(vec![cell("cell-1", json!({})), cell("cell-2", json!({ "logRetentionDays": 7 }))]);
    let text = format!("{QUEUE}Description: ${{{{ cell['name'] if cell.logRetentionDays == 30 else 'other' }}}}\n");
    let renderer = Renderer::new([source("template.yaml.j2", &text)], parse);
    for _ in 0..2 {
        let body = |index: usize| {
            renderer.render(&fleet, &fleet.cells[index], &code()).expect("renders").template.body.clone()
        };
        assert!(body(0).contains("Description: cell-1") && body(1).contains("Description: other"));
    }
}

#[test]
fn a_template_that_is_not_there_is_named() {
    let mut fleet = fleet(vec![cell("cell-1", json!({}))]);
    fleet.cells[0].template = "owm".parse().expect("a name");
    let renderer = Renderer::new([source("template.yaml", QUEUE)], parse);
    let findings = renderer.render(&fleet, &fleet.cells[0], &code()).expect_err("refused");
    assert_eq!((findings[0].code, findings[0].hint.as_deref()), ("unknown-template", Some("did you mean `own`?")));
}

#[test]
fn names_must_be_free_and_short_enough() {
    let twice = format!("{QUEUE}{}", QUEUE.replace("Resources:\n", "").replace("  Q:", "  R:"));
    assert_eq!(complaints(&twice), [("duplicate-name", 6)]);
    let long = QUEUE.replace("-a\n", &format!("-{}\n", "a".repeat(80)));
    assert_eq!(complaints(&long), [("name-too-long", 0)]);
}

/// Pinned, so that a machine, a map's order or a new version of a library that changes what is sent is noticed. A
/// change here changes every cell of every fleet: say so in the release notes.
#[test]
fn digests_are_the_same_on_every_machine() {
    let stack = render("template.yaml", QUEUE).expect("renders");
    assert_eq!(stack.template.digest.short(), "4b32b35726f5");
    assert_eq!(stack.digest.short(), "9d20e4d19d37");
}
