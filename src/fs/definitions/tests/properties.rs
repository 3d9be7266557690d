//! Properties: no text makes the checks panic, and what is generated to be valid passes.

use proptest::prelude::*;

use super::{CELL, FLEET, check_texts, findings_of};

/// Texts near definitions: lines of one, broken, repeated and mixed with noise.
fn near_definition() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        proptest::sample::select(vec![
            "apiVersion: cellctl/v1",
            "kind: Cell",
            "metadata: { name: cell-1 }",
            "spec:",
            "  type: shared",
            "  capacity: { tenants: 5 }",
            "  tables:",
            "    a: { partitionKey: b, tenant: { by: index } }",
            "  queues: { q: { delay: 99999999d } }",
            "  functions: { f: { timeout: 1m, consumes: [q] } }",
            "  account: 1",
            "  tags: { a: &x b, c: *x }",
            "  region: !!str 5",
            "- x",
            "  ? [a]",
            "  capacity: { tenants: 1e400 }",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,30}",
        "\\PC{0,20}",
    ];
    proptest::collection::vec(line, 0..20).prop_map(|lines| lines.join("\n"))
}

/// A table, a queue and a function of valid fields.
fn valid_spec() -> impl Strategy<Value = String> {
    let atom = "[a-z][a-z0-9]{0,15}";
    (atom, atom, atom, 1_u32..=150, 0_u32..=10_000_000, any::<bool>(), 128_u32..=10_240).prop_map(
        |(table, queue, function, timeout, tenants, fifo, memory)| {
            let visibility = timeout * 6;
            format!(
                "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: cell-1 }}\nspec:\n  type: canary\n  capacity: {{ tenants: {tenants} }}\n  tables:\n    t{table}:\n      partitionKey: id\n      indexes: {{ byTenant: {{ partitionKey: tenant }} }}\n      tenant: {{ by: index, index: byTenant }}\n  queues:\n    q{queue}: {{ fifo: {fifo}, visibilityTimeout: {visibility}s }}\n  functions:\n    f{function}:\n      runtime: python3.13\n      handler: index.handler\n      code: functions/f\n      memory: {memory}\n      timeout: {timeout}s\n      consumes: [q{queue}]\n      writes: [t{table}]\n      environment: {{ LEVEL: debug }}\n"
            )
        },
    )
}

proptest! {
    #[test]
    fn no_text_panics(text in near_definition()) {
        for finding in findings_of(&text) {
            prop_assert!(!finding.code.is_empty() && !finding.message.is_empty());
        }
        let _ = check_texts(&[("fleet.yaml", &text)]);
    }

    #[test]
    fn what_follows_a_valid_head_never_panics(tail in "(  [a-zA-Z]{1,12}: ?[ -~]{0,20}\n){0,6}") {
        for finding in findings_of(&format!("{CELL}{tail}")) {
            prop_assert!(!finding.message.contains("cannot be read:"), "{finding:?}");
        }
    }

    #[test]
    fn valid_definitions_pass(text in valid_spec()) {
        let checked = check_texts(&[("fleet.yaml", FLEET), ("cell-1.yaml", &text)]);
        prop_assert!(checked.as_ref().is_ok_and(|c| c.warnings.is_empty()), "{checked:?}\n{text}");
    }
}
