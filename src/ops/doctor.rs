//! `cellctl doctor`: whether everything is there that cellctl needs, each check with what to do about it.
//!
//! Constraint kept: it reads only, and one check that cannot be made does not keep the others from being made.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::domain::fleet::{Fleet, Place};
use crate::ports::CallError;

use super::World;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Worth knowing, or could not be told.
    Warn,
    /// cellctl cannot work like this.
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it went.
    pub health: Health,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    fn new(name: impl Into<String>, health: Health, detail: impl Into<String>) -> Self {
        Self { name: name.into(), health, detail: detail.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn failed(name: impl Into<String>, error: &CallError) -> Self {
        Self { hint: error.hint().map(str::to_owned), ..Self::new(name, Health::Fail, error.to_string()) }
    }
}

/// Clocks may differ by this much, in milliseconds; AWS refuses signatures after 300,000.
const SKEW_WARN_MS: i64 = 5_000;
/// See above; a margin is left.
const SKEW_FAIL_MS: i64 = 240_000;

/// The actions that cellctl needs, as IAM names them. `docs/permissions.md` has the policy.
pub const ACTIONS: [&str; 44] = [
    "cloudformation:CreateChangeSet",
    "cloudformation:CreateStack",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:ContinueUpdateRollback",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackDriftDetectionStatus",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackResourceDrifts",
    "cloudformation:DescribeStacks",
    "cloudformation:DetectStackDrift",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
    "cloudformation:ListStacks",
    "cloudformation:RollbackStack",
    "cloudformation:UpdateTerminationProtection",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeStream",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:GetItem",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
    "iam:PassRole",
    "lambda:CreateFunction",
    "s3:GetObject",
    "s3:PutObject",
    "sqs:ChangeMessageVisibility",
    "sqs:CreateQueue",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "sts:GetCallerIdentity",
];

/// A quota that a growing fleet runs into.
struct Quota {
    service: &'static str,
    code: &'static str,
    name: &'static str,
    /// How many of it the fleet's definitions need in one place.
    need: fn(&Fleet, &Place) -> usize,
}

/// Codes from the Service Quotas console; the defaults there are 2,000 stacks and 2,500 tables a Region.
const QUOTAS: [Quota; 2] = [
    Quota {
        service: "cloudformation",
        code: "L-0485CB21",
        name: "stacks",
        need: |fleet, place| cells(fleet, place).count() + 1,
    },
    Quota {
        service: "dynamodb",
        code: "L-F98FE922",
        name: "tables",
        need: |fleet, place| cells(fleet, place).map(|c| c.spec.tables.len() + 1).sum::<usize>() + 2,
    },
];

fn cells<'a>(fleet: &'a Fleet, place: &'a Place) -> impl Iterator<Item = &'a crate::domain::fleet::Cell> {
    fleet.cells.iter().filter(move |c| c.place == *place)
}

/// Makes all checks.
pub async fn doctor(world: &World, fleet: &Fleet) -> Vec<Check> {
    let mut places: BTreeSet<Place> = fleet.cells.iter().map(|c| c.place.clone()).collect();
    places.insert(fleet.control.clone());
    let mut checks = Vec::new();
    for place in &places {
        let before = checks.len();
        checks.push(credentials(world, place).await);
        if checks[before].health == Health::Fail {
            continue;
        }
        checks.push(clock(world, place).await);
        checks.push(endpoint(world, place).await);
        checks.push(permissions(world, place).await);
        for quota in &QUOTAS {
            checks.push(quota_check(world, fleet, place, quota).await);
        }
    }
    checks.push(control(world, fleet).await);
    checks.push(lock(world).await);
    checks
}

async fn credentials(world: &World, place: &Place) -> Check {
    let name = format!("credentials in {}", place.region);
    match world.identities.identity(place).await {
        Err(error) => Check::failed(name, &error),
        Ok(identity) => match &place.account {
            Some(wanted) if wanted.as_str() != identity.account => {
                Check::new(name, Health::Fail, format!("account {}; the definitions name {wanted}", identity.account))
                    .hint("choose the right AWS_PROFILE, or give the cell a roleArn of that account")
            }
            _ => Check::new(name, Health::Ok, format!("{} in account {}", identity.arn, identity.account)),
        },
    }
}

async fn clock(world: &World, place: &Place) -> Check {
    let name = format!("clock against {}", place.region);
    match world.identities.clock_skew(place).await {
        Err(error) => Check { health: Health::Warn, ..Check::failed(name, &error) },
        Ok(skew_ms) => {
            let detail = format!("{} ms apart", skew_ms.unsigned_abs());
            match skew_ms.abs() {
                ms if ms >= SKEW_FAIL_MS => Check::new(name, Health::Fail, detail)
                    .hint("set the clock: AWS refuses signatures that are five minutes off"),
                ms if ms >= SKEW_WARN_MS => {
                    Check::new(name, Health::Warn, detail).hint("switch time synchronisation on")
                }
                _ => Check::new(name, Health::Ok, detail),
            }
        }
    }
}

async fn endpoint(world: &World, place: &Place) -> Check {
    let name = format!("CloudFormation in {}", place.region);
    let began_ms = world.clock.now_ms();
    match world.stacks.list(place).await {
        Err(error) => Check::failed(name, &error),
        Ok(stacks) => {
            let took_ms = world.clock.now_ms() - began_ms;
            Check::new(name, Health::Ok, format!("{} stacks listed in {took_ms} ms", stacks.len()))
        }
    }
}

async fn permissions(world: &World, place: &Place) -> Check {
    let name = format!("permissions in {}", place.region);
    // IAM cannot simulate the root user, who may do everything.
    if world.identities.identity(place).await.is_ok_and(|identity| identity.arn.ends_with(":root")) {
        return Check::new(name, Health::Warn, "the account's root user may do everything")
            .hint("use a role with the policy of docs/permissions.md; on a local endpoint this is as it should be");
    }
    match world.identities.denied_actions(place, &ACTIONS).await {
        Err(error) => Check::new(name, Health::Warn, format!("could not be simulated: {}", error.message))
            .hint("allow iam:SimulatePrincipalPolicy to have them checked; docs/permissions.md lists what is needed"),
        Ok(denied) if denied.is_empty() => {
            Check::new(name, Health::Ok, format!("all {} actions allowed", ACTIONS.len()))
        }
        Ok(denied) => Check::new(name, Health::Fail, format!("denied: {}", denied.join(", ")))
            .hint("allow these actions; docs/permissions.md has the policy"),
    }
}

async fn quota_check(world: &World, fleet: &Fleet, place: &Place, quota: &Quota) -> Check {
    let name = format!("quota of {} in {}", quota.name, place.region);
    let need = (quota.need)(fleet, place);
    match world.identities.quota(place, quota.service, quota.code).await {
        Err(error) => Check::new(name, Health::Warn, format!("could not be read: {}", error.message)),
        Ok(None) => Check::new(name, Health::Warn, format!("unknown here; the definitions need {need}")),
        Ok(Some(limit)) if f64::from(u32::try_from(need).unwrap_or(u32::MAX)) > limit => {
            Check::new(name, Health::Fail, format!("{limit}; the definitions need {need}"))
                .hint(format!("ask for more: Service Quotas, {} {}", quota.service, quota.code))
        }
        Ok(Some(limit)) => Check::new(name, Health::Ok, format!("{limit}; the definitions need {need}")),
    }
}

async fn control(world: &World, fleet: &Fleet) -> Check {
    match world.control.ready().await {
        Err(error) => Check::failed("control table", &error),
        Ok(true) => Check::new("control table", Health::Ok, super::init::control_table(fleet.name.as_str())),
        Ok(false) => Check::new("control table", Health::Warn, "not there yet").hint("run `cellctl init`"),
    }
}

async fn lock(world: &World) -> Check {
    match world.control.lease().await {
        Ok(Some(lease)) if lease.is_held(world.clock.now_ms()) => {
            Check::new("lock", Health::Warn, format!("held by {} for {}", lease.holder, lease.purpose))
                .hint("`cellctl lock show` tells more")
        }
        Ok(_) => Check::new("lock", Health::Ok, "free"),
        Err(_) => Check::new("lock", Health::Warn, "could not be read"),
    }
}
