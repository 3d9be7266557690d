//! The demo's part on tenants: where they go, and why.

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::domain::tenant::Attributes;
use crate::ops::cells::view;
use crate::ops::tenants::Desk;
use crate::ops::tenants::add::AddRequest;
use crate::ops::tenants::list::Query;
use crate::ops::{ErrorKind, OpError, World};
use crate::output::cells as show_cells;
use crate::output::tenants::list::Rows;
use crate::output::tenants::{self as show_tenants, explain, history};

use super::demo::heading;
use super::{Ran, Session};

/// Tenants that are added, as JSON of their attributes; the cell where somebody chooses it.
const TENANTS: [(&str, &str, Option<&str>); 6] = [
    ("acme", r#"{ "tier": "enterprise", "residency": "eu", "weight": 6000 }"#, None),
    ("globex", r#"{ "tier": "enterprise", "weight": 2500 }"#, None),
    ("initech", r#"{ "weight": 150, "labels": { "team": "payments" } }"#, None),
    ("hooli", r#"{ "weight": 150, "regions": ["eu-central-1"] }"#, None),
    ("our-own-shop", r#"{ "canary": true, "weight": 40 }"#, None),
    ("oldest-customer", r#"{ "weight": 800 }"#, Some("cell-0")),
];
/// A tenant that no cell takes: it is too heavy for what is left of each.
const HOMELESS: (&str, &str) = ("umbrella", r#"{ "weight": 9900 }"#);

/// The fleet of the demo and who plays it.
pub(super) struct Scene<'a> {
    /// Where to print.
    pub(super) session: &'a Session,
    /// The ports.
    pub(super) world: &'a World,
    /// The fleet.
    pub(super) fleet: &'a Fleet,
    /// Who.
    pub(super) actor: &'a Actor,
}

impl Scene<'_> {
    /// Adds tenants and shows where they went.
    pub(super) async fn play(&self) -> Ran {
        heading(self.session, "cellctl tenant add: each goes to the emptiest cell that may have it");
        for (tenant, attributes, to) in TENANTS {
            self.add(tenant, attributes, to).await?;
        }
        heading(self.session, "cellctl tenant place umbrella --weight 9900 --explain: why no cell takes it");
        self.explain().await?;
        heading(self.session, "cellctl tenant list");
        self.list().await?;
        heading(self.session, "cellctl tenant set acme --weight 7000, and cellctl tenant history acme");
        self.history().await?;
        heading(self.session, "cellctl cell list: the fleet, and how full it is");
        let rows = view::list(self.world, self.fleet).await?;
        self.session.printer.result("cellctl.cell-list/v1", &rows, |style| show_cells::list(&rows, style));
        Ok(0)
    }

    fn desk(&self) -> Desk<'_> {
        Desk { world: self.world, fleet: self.fleet, actor: self.actor }
    }

    async fn add(&self, tenant: &str, attributes: &str, to: Option<&str>) -> Result<(), OpError> {
        let to = to.map(str::parse).transpose().map_err(wrong)?;
        let by_hand = to.is_some();
        let request = AddRequest { tenant: tenant.parse().map_err(wrong)?, attributes: read(attributes)?, to };
        let added = self.desk().add(&request).await?;
        self.session
            .printer
            .result("cellctl.tenant-added/v1", &added, |style| show_tenants::added(&added, by_hand, self.fleet, style));
        Ok(())
    }

    async fn explain(&self) -> Result<(), OpError> {
        let (tenant, attributes) = HOMELESS;
        let placement = self.desk().place(&tenant.parse().map_err(wrong)?, &read(attributes)?).await?;
        self.session.printer.result("cellctl.tenant-place/v1", &placement, |style| {
            let cells = explain::verdicts(&placement.verdicts, style);
            format!("{cells}\n\n{}", explain::place(&placement, self.fleet, style))
        });
        Ok(())
    }

    async fn list(&self) -> Result<(), OpError> {
        let printer = &self.session.printer;
        let mut rows = Rows::new(printer.style());
        self.desk().list(&Query::default(), |entry| rows.push(&entry).is_none_or(|text| printer.part(&text))).await?;
        if let Some(text) = rows.end() {
            printer.data(&text);
        }
        Ok(())
    }

    async fn history(&self) -> Result<(), OpError> {
        let tenant = TENANTS[0].0.parse().map_err(wrong)?;
        let heavier = |before: &Attributes| Attributes { weight: 7000, ..before.clone() };
        let changed = self.desk().set(&tenant, heavier).await?;
        let printer = &self.session.printer;
        printer.result("cellctl.tenant-changed/v1", &changed, |style| {
            show_tenants::changed(&changed, "has these attributes already", style)
        });
        let records = self.desk().history(&tenant, None, 10).await?;
        printer.result("cellctl.tenant-history/v1", &records, |style| history::history(&records, None, style));
        Ok(())
    }
}

fn read(attributes: &str) -> Result<Attributes, OpError> {
    serde_json::from_str(attributes).map_err(wrong)
}

/// What is written above is part of the program.
fn wrong(error: impl std::fmt::Display) -> OpError {
    OpError::new(ErrorKind::Failed, format!("the demo has a tenant that is not valid: {error}"))
}
