//! The tables of a fleet on the endpoint, and the program's own adapters over them.
//!
//! Constraint kept: the control stack's tables are made from the template that `cellctl init` uses; the fleet's name is
//! new for each test and run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_cloudformation::types::Parameter;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use cellctl::aws::call::Caller;
use cellctl::aws::clients::{Clients, Target};
use cellctl::aws::control::ControlTable;
use cellctl::aws::tenants::TenantTables;
use cellctl::domain::audit::{Deed, Sealed, Subject};
use cellctl::domain::fleet::{Place, control_table};
use cellctl::domain::ids::Digest;
use cellctl::domain::lock::Lease;
use cellctl::domain::record::{Applied, CellRecord, CellState, RECORD_FORMAT};
use cellctl::domain::tenant::fence::{FENCE_OUTPUT, FenceTable};
use cellctl::ops::init::CONTROL_TEMPLATE;
use cellctl::ports::LeaseStore;
use cellctl::wire::SystemClock;
use serde_json::Value as Json;

use super::aws::Aws;
use super::proxy::Proxy;
use super::{REGION, endpoint};
use crate::support::samples;

/// The access key that a local run of the program uses.
pub(super) const LOCAL_KEY: &str = "test";

/// The tables of a fleet.
pub(crate) struct Tables {
    /// Name of the fleet.
    pub(crate) fleet: String,
    /// Address of the endpoint.
    pub(crate) url: String,
    aws: Aws,
}

impl Tables {
    /// Makes the control stack of a fleet. `test` is unique in the suite.
    pub(crate) async fn make(test: &str) -> Self {
        let url = endpoint().await.url.clone();
        let mut hasher = DefaultHasher::new();
        (test, SystemTime::now(), std::process::id()).hash(&mut hasher);
        let fleet = format!("{test}-{:08x}", hasher.finish() & 0xffff_ffff);
        let aws = Aws::new(&url, LOCAL_KEY);
        let stack = format!("cellctl-{fleet}-control");
        let request = aws.cloudformation.create_stack().stack_name(&stack).template_body(CONTROL_TEMPLATE);
        let parameter = |key: &str, value: &str| Parameter::builder().parameter_key(key).parameter_value(value).build();
        let request = request.parameters(parameter("Fleet", &fleet)).parameters(parameter("Control", "yes"));
        request.send().await.expect("begun");
        aws.until(&stack, |status| status == Some("CREATE_COMPLETE")).await;
        Self { fleet, url, aws }
    }

    /// Where the tables are.
    pub(crate) fn place() -> Place {
        Place { region: REGION.parse().expect("valid"), account: None, role_arn: None }
    }

    /// Makes the fence table of a cell.
    pub(crate) async fn make_fences(&self, cell: &str) -> FenceTable {
        let name = format!("{}-{cell}-fences", self.fleet);
        let mut request = self.aws.dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        let keys =
            [("tenant", ScalarAttributeType::S, KeyType::Hash), ("shard", ScalarAttributeType::N, KeyType::Range)];
        for (name, kind, role) in keys {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
            let key = KeySchemaElement::builder().attribute_name(name).key_type(role);
            request = request.attribute_definitions(attribute.build().expect("complete"));
            request = request.key_schema(key.build().expect("complete"));
        }
        request.send().await.expect("made");
        FenceTable { place: Self::place(), name }
    }

    /// An adapter with clients of its own, as another machine has it.
    pub(crate) fn tenants(&self) -> TenantTables {
        self.tenants_at(&self.url)
    }

    /// The same through a proxy.
    pub(crate) fn tenants_through(&self, proxy: &Proxy) -> TenantTables {
        self.tenants_at(&proxy.url())
    }

    fn tenants_at(&self, url: &str) -> TenantTables {
        let clients = Arc::new(Clients::new(Target::Local { endpoint: url.to_owned() }));
        TenantTables::new(clients, Caller::new(Arc::new(SystemClock::default())), Self::place(), &self.fleet)
    }

    /// The control table, with its lock held by this lease.
    pub(crate) async fn control(&self) -> (ControlTable, Lease) {
        let clients = Arc::new(Clients::new(Target::Local { endpoint: self.url.clone() }));
        let caller = Caller::new(Arc::new(SystemClock::default()));
        let control = ControlTable::new(clients, caller, Self::place(), control_table(&self.fleet));
        let lease = Lease {
            holder: "tester".to_owned(),
            purpose: "a test".to_owned(),
            ci_url: None,
            nonce: 1,
            token: 1,
            acquired_at_ms: 0,
            expires_at_ms: i64::MAX,
            unsettled_until_ms: 0,
            process: None,
        };
        control.swap_lease(None, &lease).await.expect("taken");
        (control, lease)
    }
}

/// Who writes.
/// The record of a cell, with fences or without.
pub(crate) fn record(cell: &str, fences: Option<&FenceTable>) -> CellRecord {
    CellRecord {
        format: RECORD_FORMAT,
        cell: cell.parse().expect("valid"),
        state: CellState::Active,
        stack: format!("shop-{cell}").parse().expect("valid"),
        region: Tables::place().region,
        account: None,
        role_arn: None,
        cell_type: Some("shared".to_owned()),
        template: "plain".to_owned(),
        applied: Some(applied(fences)),
        failed: None,
        version: 0,
    }
}

fn applied(fences: Option<&FenceTable>) -> Applied {
    Applied {
        digest: Digest::of(b"all"),
        template: Digest::of(b"template"),
        stack_id: "arn:stack".to_owned(),
        changed_at_ms: 0,
        plan: "plan".to_owned(),
        at_ms: 0,
        outputs: fences.iter().map(|fences| (FENCE_OUTPUT.to_owned(), fences.name.clone())).collect(),
    }
}

/// The first record of a cell without fences, and the audit record that goes with it.
pub(crate) fn cell_record(cell: &str) -> (CellRecord, Sealed) {
    let record = record(cell, None);
    let deed = Deed { action: "applied".to_owned(), from: Json::Null, to: Json::Null };
    let stamp = samples::stamp(1_700_000_000_000);
    let audit = Sealed::next(Subject::Cell(record.cell.clone()), None, &stamp, deed);
    (record, audit)
}
