//! What a plan decides, case by case, and that its file cannot be altered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::group::Risk;
use super::make::Diffs;
use super::*;
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, Digest};
use crate::domain::record::{Applied, CellRecord, CellState, RECORD_FORMAT};
use crate::domain::stack::{StackStatus, Stuck};
use crate::domain::template::{ChangeKind, ResourceChange};

fn cell(name: &str) -> CellId {
    name.parse().expect("valid")
}

fn place(region: &str) -> Place {
    Place { region: region.parse().expect("valid"), account: None, role_arn: None }
}

fn desired(name: &str, template: &str) -> Desired {
    Desired {
        cell: cell(name),
        cell_type: "shared".to_owned(),
        template_name: "serverless".to_owned(),
        stack: format!("shop-{name}").parse().expect("valid"),
        place: place("eu-central-1"),
        digest: Digest::of(format!("{name} {template}").as_bytes()),
        template: Digest::of(template.as_bytes()),
        parameters: BTreeMap::new(),
        tags: BTreeMap::new(),
        capabilities: Vec::new(),
        artifacts: Vec::new(),
        tables: Vec::new(),
        queues: Vec::new(),
    }
}

fn record(name: &str, template: &str) -> CellRecord {
    let wanted = desired(name, template);
    CellRecord {
        format: RECORD_FORMAT,
        cell: cell(name),
        state: CellState::Active,
        stack: wanted.stack,
        region: wanted.place.region,
        account: None,
        role_arn: None,
        cell_type: None,
        template: wanted.template_name,
        applied: Some(Applied {
            digest: wanted.digest,
            template: wanted.template,
            stack_id: format!("id-{name}"),
            changed_at_ms: 1,
            plan: "p".to_owned(),
            at_ms: 1,
            outputs: BTreeMap::new(),
        }),
        failed: None,
        version: 1,
    }
}

fn stack(name: &str, status: &str) -> ObservedStack {
    ObservedStack { id: format!("id-{name}"), status: StackStatus::new(status), changed_at_ms: 1, ours: false }
}

/// A fleet of one cell with template `v1` applied and its stack in `status`.
fn observed(status: &str) -> Observation {
    Observation {
        stacks: BTreeMap::from([(cell("cell-1"), stack("cell-1", status))]),
        records: BTreeMap::from([(cell("cell-1"), record("cell-1", "v1"))]),
        foreign_tables: BTreeMap::new(),
        tenants: BTreeMap::from([(cell("cell-1"), 10)]),
    }
}

fn plan_of(wanted: Vec<Desired>, observed: &Observation, changes: &[ResourceChange], allowed: &[&str]) -> Plan {
    let defined = wanted.iter().map(|d| d.cell.clone()).collect();
    let bodies = wanted.iter().map(|d| (d.template.clone(), Arc::from("body"))).collect();
    let diffs: Diffs = wanted.iter().filter_map(|d| needs(d, observed)).map(|pair| (pair, changes.to_vec())).collect();
    let allowed: BTreeSet<String> = allowed.iter().map(|a| (*a).to_owned()).collect();
    make(Inputs {
        fleet: "shop",
        accounts: Some(BTreeMap::new()),
        selection: None,
        desired: wanted,
        defined,
        observed,
        diffs,
        bodies: &bodies,
        allowed: &allowed,
        now_ms: 1_000,
    })
}

fn needs(wanted: &Desired, observed: &Observation) -> Option<(Digest, Digest)> {
    super::make::needs_diff(wanted, observed)
}

fn change(kind: ChangeKind, stateful: bool) -> ResourceChange {
    ResourceChange {
        logical_id: "OrdersTable".to_owned(),
        resource_type: "AWS::DynamoDB::Table".to_owned(),
        kind,
        properties: Vec::new(),
        stateful,
        broadens_iam: false,
    }
}

/// What is decided about the one cell.
fn decided(template: &str, observed: &Observation) -> (Action, Option<Blocked>) {
    let plan = plan_of(vec![desired("cell-1", template)], observed, &[], &[]);
    match plan.steps.first() {
        None => (Action::None, None),
        Some(step) => (step.action, step.blocked.clone()),
    }
}

#[test]
fn each_state_of_a_stack_has_its_decision() {
    let stuck = |stuck| (Action::Blocked, Some(Blocked::Stuck { stuck }));
    let cases = [
        ("CREATE_COMPLETE", "v1", (Action::None, None)),
        ("CREATE_COMPLETE", "v2", (Action::Update, None)),
        ("UPDATE_ROLLBACK_COMPLETE", "v1", (Action::None, None)),
        ("UPDATE_ROLLBACK_COMPLETE", "v2", (Action::Update, None)),
        ("UPDATE_IN_PROGRESS", "v2", (Action::Wait, None)),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "v1", (Action::Wait, None)),
        ("ROLLBACK_COMPLETE", "v1", stuck(Stuck::RollbackComplete)),
        ("UPDATE_ROLLBACK_FAILED", "v1", stuck(Stuck::UpdateRollbackFailed)),
        ("REVIEW_IN_PROGRESS", "v1", stuck(Stuck::Review)),
        ("DELETE_COMPLETE", "v1", (Action::Create, None)),
    ];
    for (status, template, expected) in cases {
        assert_eq!(decided(template, &observed(status)), expected, "{status} {template}");
    }
    let unknown = decided("v1", &observed("FROBNICATED"));
    assert!(matches!(unknown, (Action::Blocked, Some(Blocked::UnknownStatus { .. }))));
}

#[test]
fn what_others_did_is_seen() {
    let mut touched = observed("UPDATE_COMPLETE");
    touched.stacks.get_mut(&cell("cell-1")).expect("there").changed_at_ms = 2;
    assert_eq!(decided("v1", &touched).0, Action::Update);
    let mut foreign = observed("CREATE_COMPLETE");
    foreign.records.clear();
    assert_eq!(decided("v1", &foreign), (Action::Blocked, Some(Blocked::ForeignStack)));
    foreign.stacks.get_mut(&cell("cell-1")).expect("there").ours = true;
    assert_eq!(decided("v1", &foreign).0, Action::Update, "ours, and not recorded");
    let mut tables = Observation::default();
    assert_eq!(decided("v1", &tables).0, Action::Create);
    tables.foreign_tables.insert(cell("cell-1"), vec!["shop-cell-1-orders".to_owned()]);
    assert!(matches!(decided("v1", &tables).1, Some(Blocked::ForeignTables { .. })));
}

#[test]
fn a_stack_does_not_move() {
    let mut wanted = desired("cell-1", "v1");
    wanted.place = place("us-east-1");
    let plan = plan_of(vec![wanted], &observed("CREATE_COMPLETE"), &[], &[]);
    assert_eq!(plan.steps[0].blocked, Some(Blocked::Moved { from: "eu-central-1".to_owned() }));
}

#[test]
fn what_holds_data_is_replaced_or_removed_only_when_it_is_named() {
    let replaced = ChangeKind::Replaced("TableName changed".to_owned());
    for kind in [ChangeKind::Removed, ChangeKind::MaybeReplaced, replaced] {
        let changes = vec![change(kind, true)];
        let of = |allowed: &[&str]| {
            let wanted = vec![desired("cell-1", "v2")];
            plan_of(wanted, &observed("CREATE_COMPLETE"), &changes, allowed).steps[0].action
        };
        assert_eq!(of(&[]), Action::Blocked);
        assert_eq!(of(&["cell-2/OrdersTable"]), Action::Blocked);
        assert_eq!(of(&["cell-1/OrdersTable"]), Action::Update);
    }
    let harmless = vec![change(ChangeKind::Removed, false)];
    let plan = plan_of(vec![desired("cell-1", "v2")], &observed("CREATE_COMPLETE"), &harmless, &[]);
    assert_eq!(plan.steps[0].action, Action::Update);
}

#[test]
fn equal_changes_are_one_group_and_the_worst_comes_first() {
    let names = ["cell-1", "cell-2", "cell-3"];
    let mut there = Observation::default();
    for name in names {
        there.stacks.insert(cell(name), stack(name, "CREATE_COMPLETE"));
        there.records.insert(cell(name), record(name, "v1"));
        there.tenants.insert(cell(name), 10);
    }
    there.stacks.insert(cell("cell-3"), stack("cell-3", "ROLLBACK_COMPLETE"));
    let mut wanted: Vec<Desired> = names.iter().map(|name| desired(name, "v2")).collect();
    wanted.push(desired("cell-4", "v2"));
    let plan = plan_of(wanted, &there, &[change(ChangeKind::Modified, true)], &[]);
    let groups = groups(&plan);
    let seen: Vec<(Risk, usize, u64)> = groups.iter().map(|g| (g.risk, g.cells.len(), g.tenants)).collect();
    assert_eq!(seen, [(Risk::Blocked, 1, 10), (Risk::Modification, 2, 20), (Risk::Creation, 1, 0)]);
    assert_eq!(plan.diffs.len(), 1, "one diff for all that share it");
}

#[test]
fn cells_without_a_definition_are_told_and_left_alone() {
    let mut there = observed("CREATE_COMPLETE");
    there.records.insert(cell("gone"), record("gone", "v1"));
    let mut deleted = record("deleted", "v1");
    deleted.state = CellState::Deleted;
    there.records.insert(cell("deleted"), deleted);
    let plan = plan_of(vec![desired("cell-1", "v1")], &there, &[], &[]);
    assert_eq!(plan.orphans, [cell("gone")]);
    assert!(!plan.has_changes());
}

#[test]
fn a_token_is_of_one_step_from_one_state_in_one_attempt() {
    let step = plan_of(vec![desired("cell-1", "v2")], &observed("CREATE_COMPLETE"), &[], &[]).steps.remove(0);
    let token = step.token("apply", 1);
    assert_eq!(token, step.token("apply", 1));
    let mut moved_on = step.clone();
    moved_on.basis.changed_at_ms = Some(2);
    let others = [step.token("apply", 2), step.token("other", 1), moved_on.token("apply", 1)];
    assert!(others.iter().all(|other| *other != token));
    assert!(token.len() <= 128 && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
}

proptest! {
    #[test]
    fn every_cell_ends_in_exactly_one_list(
        statuses in proptest::collection::vec(0_usize..8, 1..20),
        versions in proptest::collection::vec(0_u8..3, 20),
    ) {
        let words = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "ROLLBACK_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE", "DELETE_FAILED", "WHAT", ""];
        let mut there = Observation::default();
        let mut wanted = Vec::new();
        for (number, status) in statuses.iter().enumerate() {
            let name = format!("cell-{number}");
            if !words[*status].is_empty() {
                there.stacks.insert(cell(&name), stack(&name, words[*status]));
            }
            if versions[number] > 0 {
                there.records.insert(cell(&name), record(&name, "v1"));
            }
            wanted.push(desired(&name, &format!("v{}", versions[number])));
        }
        let count = wanted.len();
        let plan = plan_of(wanted, &there, &[], &[]);
        prop_assert_eq!(plan.steps.len() + plan.unchanged, count);
        let names: BTreeSet<_> = plan.steps.iter().map(|s| &s.desired.cell).collect();
        prop_assert_eq!(names.len(), plan.steps.len());
        for step in &plan.steps {
            prop_assert_eq!(step.action == Action::Blocked, step.blocked.is_some());
            let changes = matches!(step.action, Action::Create | Action::Update);
            prop_assert!(!changes || plan.templates.contains_key(&step.desired.template));
        }
    }

    #[test]
    fn an_altered_plan_file_is_never_read_as_a_plan(at in 0_usize..10_000, byte in 32_u8..127) {
        let plan = plan_of(vec![desired("cell-1", "v2")], &observed("CREATE_COMPLETE"), &[], &[]);
        let (text, digest) = write(&plan).expect("written");
        let (_, again) = read(&text).expect("read back");
        prop_assert_eq!(&digest, &again);
        let mut bytes = text.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let altered = String::from_utf8(bytes).expect("ASCII");
        if altered != text && let Ok((_, other)) = read(&altered) {
            // White space around the plan is not part of it.
            prop_assert_eq!(digest, other);
        }
        prop_assert!(read(&text[..text.len() / 2]).is_err());
    }
}
