//! The stacks of the simulation: what CloudFormation does, as far as an apply can tell.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::{CellId, StackName};
use cellctl::domain::stack::{StackDetail, StackEvent, StackResource, StackStatus, StackSummary};
use cellctl::ports::{
    Atoms, CallErrorKind, Called, ChangeSetState, Clock, Content, DriftState, DriftedResource, StackRequest, Stacks,
    TemplateText,
};

use super::{Sim, State, error, missing};

/// How long an operation on a stack takes, in virtual milliseconds.
const STACK_MS: i64 = 60_000;
/// A stack of the simulated service.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    id: String,
    content: String,
    tags: BTreeMap<String, String>,
    token: String,
    creating: bool,
    changed_at_ms: i64,
    change_sets: BTreeMap<String, String>,
}

impl Sim {
    /// How often each stack was made.
    pub(crate) fn creates(&self) -> BTreeMap<String, usize> {
        self.state().creates.clone()
    }

    /// How often each stack was changed.
    pub(crate) fn executes(&self) -> BTreeMap<String, usize> {
        self.state().executes.clone()
    }

    /// What each stack holds.
    pub(crate) fn contents(&self) -> BTreeMap<String, String> {
        self.state().stacks.iter().map(|(name, stack)| (name.clone(), stack.content.clone())).collect()
    }

    /// Somebody else changes a stack.
    pub(crate) fn meddle(&self, stack: &str) {
        let now_ms = self.now_ms();
        if let Some(stack) = self.state().stacks.get_mut(stack) {
            stack.content.push_str(" meddled");
            stack.changed_at_ms = now_ms;
        }
    }
}

impl Stack {
    fn summary(&self, name: &str, now_ms: i64) -> StackSummary {
        let moving = now_ms < self.changed_at_ms + STACK_MS;
        let status = match (self.creating, moving) {
            (true, true) => "CREATE_IN_PROGRESS",
            (true, false) => "CREATE_COMPLETE",
            (false, true) => "UPDATE_IN_PROGRESS",
            (false, false) => "UPDATE_COMPLETE",
        };
        StackSummary {
            name: name.parse().expect("valid"),
            id: self.id.clone(),
            status: StackStatus::new(status),
            reason: None,
            changed_at_ms: self.changed_at_ms,
        }
    }
}

fn content(request: &StackRequest) -> String {
    let TemplateText::Inline(body) = &request.template else { panic!("small templates only") };
    format!("{body} {:?} {:?}", request.parameters, request.tags)
}

fn find<'a>(state: &'a mut State, stack: &str) -> Option<(String, &'a mut Stack)> {
    let hit = |(name, known): &(&String, &mut Stack)| name.as_str() == stack || known.id == stack;
    state.stacks.iter_mut().find(|entry| hit(&(entry.0, &mut entry.1.clone()))).map(|(name, s)| (name.clone(), s))
}

/// The one table of a stack.
fn table_of(stack: &str) -> StackResource {
    StackResource {
        logical_id: "OrdersTable".to_owned(),
        physical_id: format!("{stack}-orders"),
        resource_type: "AWS::DynamoDB::Table".to_owned(),
        status: "CREATE_COMPLETE".to_owned(),
    }
}

#[async_trait]
impl Stacks for Sim {
    async fn list(&self, _: &Place) -> Called<Vec<StackSummary>> {
        self.call("ListStacks", |state, now| Ok(state.stacks.iter().map(|(n, s)| s.summary(n, now)).collect())).await
    }

    async fn describe(&self, _: &Place, stack: &str) -> Called<Option<StackDetail>> {
        self.call("DescribeStacks", |state, now| {
            Ok(find(state, stack).map(|(name, s)| StackDetail {
                summary: s.summary(&name, now),
                tags: s.tags.clone(),
                outputs: BTreeMap::new(),
                parameters: BTreeMap::new(),
                protected: true,
            }))
        })
        .await
    }

    async fn template(&self, _: &Place, _: &str) -> Called<String> {
        self.call("GetTemplate", |_, _| Ok("Resources: {}".to_owned())).await
    }

    async fn create(&self, _: &Place, request: &StackRequest) -> Called<String> {
        self.call("CreateStack", |state, now| {
            let name = request.stack.to_string();
            if let Some(stack) = state.stacks.get(&name) {
                let same = stack.creating && stack.token == request.token;
                let taken = error(CallErrorKind::AlreadyExists, "CreateStack", "already exists");
                return if same { Ok(stack.id.clone()) } else { Err(taken) };
            }
            let made = state.creates.entry(name.clone()).or_default();
            *made += 1;
            let id = format!("arn:aws:cloudformation:eu-central-1:111122223333:stack/{name}/{made}");
            let stack = Stack {
                id: id.clone(),
                content: content(request),
                tags: request.tags.clone(),
                token: request.token.clone(),
                creating: true,
                changed_at_ms: now,
                change_sets: BTreeMap::new(),
            };
            state.stacks.insert(name, stack);
            Ok(id)
        })
        .await
    }

    async fn create_change_set(&self, _: &Place, stack: &str, name: &str, request: &StackRequest) -> Called<()> {
        self.call("CreateChangeSet", |state, _| {
            let (_, stack) = find(state, stack).ok_or_else(|| missing("CreateChangeSet"))?;
            stack.change_sets.insert(name.to_owned(), content(request));
            Ok(())
        })
        .await
    }

    async fn change_set(&self, _: &Place, stack: &str, name: &str) -> Called<ChangeSetState> {
        self.call("DescribeChangeSet", |state, _| {
            let (_, stack) = find(state, stack).ok_or_else(|| missing("DescribeChangeSet"))?;
            let wanted = stack.change_sets.get(name).ok_or_else(|| missing("DescribeChangeSet"))?;
            Ok(if *wanted == stack.content { ChangeSetState::Empty } else { ChangeSetState::Ready(Vec::new()) })
        })
        .await
    }

    async fn execute_change_set(&self, _: &Place, stack: &str, name: &str, token: &str) -> Called<()> {
        self.call("ExecuteChangeSet", |state, now| {
            let (stack_name, stack) = find(state, stack).ok_or_else(|| missing("ExecuteChangeSet"))?;
            let wanted = stack.change_sets.remove(name).ok_or_else(|| missing("ExecuteChangeSet"))?;
            stack.change_sets.clear();
            stack.content = wanted;
            token.clone_into(&mut stack.token);
            stack.creating = false;
            stack.changed_at_ms = now;
            *state.executes.entry(stack_name).or_default() += 1;
            Ok(())
        })
        .await
    }

    async fn delete_change_set(&self, _: &Place, stack: &str, name: &str) -> Called<()> {
        self.call("DeleteChangeSet", |state, _| {
            if let Some((_, stack)) = find(state, stack) {
                stack.change_sets.remove(name);
            }
            Ok(())
        })
        .await
    }

    async fn events(&self, _: &Place, stack: &str, _: i64) -> Called<Vec<StackEvent>> {
        self.call("DescribeStackEvents", |state, now| {
            let Some((name, s)) = find(state, stack) else { return Ok(Vec::new()) };
            let summary = s.summary(&name, now);
            Ok(vec![StackEvent {
                id: String::new(),
                at_ms: s.changed_at_ms,
                logical_id: name,
                resource_type: "AWS::CloudFormation::Stack".to_owned(),
                status: summary.status.to_string(),
                reason: None,
                token: Some(s.token.clone()),
            }])
        })
        .await
    }

    async fn resources(&self, _: &Place, stack: &str) -> Called<Vec<StackResource>> {
        self.call("ListStackResources", |state, _| {
            Ok(find(state, stack).into_iter().map(|(name, _)| table_of(&name)).collect())
        })
        .await
    }

    async fn delete(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        panic!("an apply deletes no stack");
    }

    async fn continue_rollback(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        panic!("an apply recovers no stack");
    }

    async fn rollback(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        panic!("an apply recovers no stack");
    }

    async fn protect(&self, _: &Place, _: &str, _: bool) -> Called<()> {
        panic!("an apply changes no protection");
    }

    async fn detect_drift(&self, _: &Place, _: &str) -> Called<String> {
        panic!("an apply looks for no drift");
    }

    async fn drift_state(&self, _: &Place, _: &str) -> Called<DriftState> {
        panic!("an apply looks for no drift");
    }

    async fn drifted(&self, _: &Place, _: &str) -> Called<Vec<DriftedResource>> {
        panic!("an apply looks for no drift");
    }
}

#[async_trait]
impl Atoms for Sim {
    /// Each stack has one table, which lives as long as the stack does.
    async fn table_exists(&self, _: &Place, name: &str) -> Called<bool> {
        self.call("DescribeTable", |state, _| {
            Ok(name.strip_suffix("-orders").is_some_and(|stack| state.stacks.contains_key(stack)))
        })
        .await
    }

    async fn content(&self, _: &Place, _: &str, _: &str) -> Called<Content> {
        Ok(Content::Perhaps)
    }

    async fn delete_leftover(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        panic!("an apply deletes nothing");
    }
}

/// The name of a cell's stack in the simulation.
pub(crate) fn stack_of(cell: &CellId) -> StackName {
    format!("shop-{cell}").parse().expect("valid")
}
