//! Placement: which cell a new tenant goes to.
//!
//! Owns: the hard constraints, each with its typed refusal, and the choice among the cells that pass them. Constraints
//! kept: residency has no override; the choice depends on the arguments alone, so that two machines agree.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::domain::definition::CellType;
use crate::domain::fleet::{Cell, Fleet};
use crate::domain::ids::{CellId, Region, Residency, TenantId, Tier};
use crate::domain::record::CellState;

use super::Attributes;
use super::load::{CellLoad, Limits, share};

/// A cell, as placement sees it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The cell.
    pub cell: CellId,
    /// What kind of tenants it takes.
    pub cell_type: CellType,
    /// Where its stack is; where its definition says, as long as it has none.
    pub region: Region,
    /// Whether it takes tenants; none where it has not been provisioned.
    pub state: Option<CellState>,
    /// What it may hold.
    pub limits: Limits,
    /// Tenants in it.
    pub tenants: u64,
    /// Sum of their weights.
    pub weight: u64,
    /// Tiers that it takes; all when empty.
    pub tiers: BTreeSet<Tier>,
    /// Tenants that it is for; with none, a dedicated cell takes one.
    pub reserved_for: BTreeSet<TenantId>,
    /// Hash of its name, for ties.
    key: u64,
}

/// Why a cell does not take a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "kind")]
pub enum Refusal {
    /// It has no stack yet.
    NotProvisioned,
    /// It takes no new tenants now.
    NotActive {
        /// Its state.
        state: CellState,
    },
    /// Cell zero is being emptied: it takes a tenant by hand only.
    CellZero,
    /// It is for willing tenants only.
    CanaryOnly,
    /// It is a dedicated cell, and the tenant is not dedicated.
    DedicatedOnly,
    /// The tenant needs a dedicated cell.
    NeedsDedicated,
    /// It is for other tenants.
    ReservedForOthers,
    /// The tenant's data may not be in its Region.
    Region {
        /// Its Region.
        region: Region,
        /// Where the data may be.
        allowed: Vec<Region>,
    },
    /// It does not take the tenant's tier.
    Tier {
        /// The tiers that it takes.
        takes: Vec<Tier>,
    },
    /// It has as many tenants as it may.
    FullByCount {
        /// Tenants in it.
        tenants: u64,
        /// How many it may hold.
        limit: u64,
    },
    /// It has no room for the tenant's weight.
    FullByWeight {
        /// Weight in it.
        weight: u64,
        /// The tenant's weight.
        asked: u64,
        /// How much it may hold.
        limit: u64,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotProvisioned => write!(f, "it has not been provisioned"),
            Self::NotActive { state } => write!(f, "it is {}", state.as_str()),
            Self::CellZero => write!(f, "it is cell zero, which takes tenants by hand only"),
            Self::CanaryOnly => write!(f, "it is a canary cell, and the tenant is not willing (--canary)"),
            Self::DedicatedOnly => write!(f, "it is a dedicated cell, and the tenant is not dedicated"),
            Self::NeedsDedicated => write!(f, "the tenant needs a dedicated cell"),
            Self::ReservedForOthers => write!(f, "it is reserved for other tenants"),
            Self::Region { region, allowed } => {
                let allowed: Vec<&str> = allowed.iter().map(Region::as_str).collect();
                write!(f, "it is in {region}; the tenant's data may be in {} only", or_nowhere(&allowed))
            }
            Self::Tier { takes } => {
                let takes: Vec<&str> = takes.iter().map(Tier::as_str).collect();
                write!(f, "it takes tier {} only", takes.join(", "))
            }
            Self::FullByCount { tenants, limit } => write!(f, "it is full: {tenants} of {limit} tenants"),
            Self::FullByWeight { weight, asked, limit } => {
                write!(f, "it has no room for weight {asked}: {weight} of {limit} are taken")
            }
        }
    }
}

fn or_nowhere(regions: &[&str]) -> String {
    if regions.is_empty() { "no Region".to_owned() } else { regions.join(", ") }
}

impl Refusal {
    /// A few words that stand for all refusals of one kind.
    pub fn class(&self) -> &'static str {
        match self {
            Self::NotProvisioned => "not provisioned",
            Self::NotActive { .. } => "not active",
            Self::CellZero => "cell zero",
            Self::CanaryOnly => "canary",
            Self::DedicatedOnly => "dedicated",
            Self::NeedsDedicated => "not dedicated",
            Self::ReservedForOthers => "reserved for others",
            Self::Region { .. } => "in another Region",
            Self::Tier { .. } => "for other tiers",
            Self::FullByCount { .. } | Self::FullByWeight { .. } => "full",
        }
    }
}

/// A tenant that looks for a cell.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// What is known of it.
    pub attributes: &'a Attributes,
    /// Regions that may hold it; none: any.
    pub regions: Option<BTreeSet<Region>>,
}

/// A residency that the fleet's definition does not list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fleet has no residency {0}")]
pub struct UnknownResidency(pub Residency);

/// Regions that may hold a tenant: those of its residency that are also among its own. None: any.
pub fn allowed_regions(fleet: &Fleet, wished: &Attributes) -> Result<Option<BTreeSet<Region>>, UnknownResidency> {
    let own = (!wished.regions.is_empty()).then(|| wished.regions.clone());
    let Some(name) = &wished.residency else { return Ok(own) };
    let set = fleet.residency.get(name).ok_or_else(|| UnknownResidency(name.clone()))?;
    Ok(Some(own.map_or_else(|| set.clone(), |own| own.intersection(set).cloned().collect())))
}

impl Candidate {
    /// A defined cell with its load, if it has one.
    pub fn of(cell: &Cell, load: Option<&CellLoad>) -> Self {
        let spec = &cell.spec;
        let reserved_for: BTreeSet<TenantId> = parsed(&spec.reserved_for);
        let alone = spec.cell_type == CellType::Dedicated && reserved_for.is_empty();
        let tenants = if alone { spec.capacity.tenants.min(1) } else { spec.capacity.tenants };
        let provisioned = load.filter(|load| load.state != CellState::Deleted);
        Self {
            cell: cell.id.clone(),
            cell_type: spec.cell_type,
            region: provisioned.map_or_else(|| cell.place.region.clone(), |load| load.place.region.clone()),
            state: provisioned.map(|load| load.state),
            limits: Limits { tenants, weight: spec.capacity.weight },
            tenants: load.map_or(0, |load| counted(load.tenants)),
            weight: load.map_or(0, |load| counted(load.weight)),
            tiers: parsed(&spec.tiers),
            reserved_for,
            key: hash(cell.id.as_str()),
        }
    }

    /// Why the cell does not take the tenant, if it does not. `by_hand`: somebody named the cell.
    pub fn refusal(&self, wish: &Wish<'_>, by_hand: bool) -> Option<Refusal> {
        self.state_refusal().or_else(|| self.kind_refusal(wish, by_hand)).or_else(|| self.room_refusal(wish))
    }

    /// Why a tenant that is in the cell already could not be there with these attributes, room aside.
    pub fn misfit(&self, wish: &Wish<'_>) -> Option<Refusal> {
        self.kind_refusal(wish, true)
    }

    /// Whether it is a cell for the tenant, its state and room aside.
    pub fn suits(&self, wish: &Wish<'_>) -> bool {
        self.kind_refusal(wish, false).is_none()
    }

    fn state_refusal(&self) -> Option<Refusal> {
        match self.state {
            None => Some(Refusal::NotProvisioned),
            Some(CellState::Active) => None,
            Some(state) => Some(Refusal::NotActive { state }),
        }
    }

    fn kind_refusal(&self, wish: &Wish<'_>, by_hand: bool) -> Option<Refusal> {
        let allowed = wish.regions.as_ref().filter(|allowed| !allowed.contains(&self.region));
        if let Some(allowed) = allowed {
            return Some(Refusal::Region { region: self.region.clone(), allowed: allowed.iter().cloned().collect() });
        }
        let dedicated = wish.attributes.dedicated;
        match self.cell_type {
            CellType::Zero if !by_hand => return Some(Refusal::CellZero),
            CellType::Canary if !wish.attributes.canary => return Some(Refusal::CanaryOnly),
            CellType::Dedicated if !dedicated => return Some(Refusal::DedicatedOnly),
            CellType::Shared | CellType::Canary if dedicated => return Some(Refusal::NeedsDedicated),
            _ => {}
        }
        if !self.reserved_for.is_empty() && !self.reserved_for.contains(wish.tenant) {
            return Some(Refusal::ReservedForOthers);
        }
        let tier_fits = |tier: &Tier| self.tiers.contains(tier);
        if !self.tiers.is_empty() && !wish.attributes.tier.as_ref().is_some_and(tier_fits) {
            return Some(Refusal::Tier { takes: self.tiers.iter().cloned().collect() });
        }
        None
    }

    fn room_refusal(&self, wish: &Wish<'_>) -> Option<Refusal> {
        if self.tenants >= self.limits.tenants {
            return Some(Refusal::FullByCount { tenants: self.tenants, limit: self.limits.tenants });
        }
        let asked = wish.attributes.weight;
        let limit = self.limits.weight.filter(|limit| self.weight.saturating_add(asked) > *limit)?;
        Some(Refusal::FullByWeight { weight: self.weight, asked, limit })
    }

    /// How full the cell is with the tenant in it, as used and limit: by weight where weight is bounded, else by count.
    pub fn fill(&self, weight: u64) -> (u64, u64) {
        match self.limits.weight {
            Some(limit) => (self.weight.saturating_add(weight), limit),
            None => (self.tenants.saturating_add(1), self.limits.tenants),
        }
    }

    /// Counts a tenant in, as the transaction does.
    pub fn take(&mut self, weight: u64) {
        self.tenants = self.tenants.saturating_add(1);
        self.weight = self.weight.saturating_add(weight);
    }

    /// The order of preference; the smallest is best. A tenant goes to a cell that is reserved for it, and a willing one
    /// to a canary cell, if one has room; then the emptiest comes first; then the highest rendezvous hash (Thaler and Ravishankar, "Using name-based mappings to
    /// increase hit rates", 1998), which spreads tenants and agrees on every machine; then the name.
    fn compare(&self, other: &Self, tenant_key: u64, weight: u64) -> std::cmp::Ordering {
        // A cell that is reserved for others never gets here.
        let is_preferred = |cell: &Self| cell.cell_type == CellType::Canary || !cell.reserved_for.is_empty();
        let rank = |cell: &Self| u8::from(!is_preferred(cell));
        let ((used, limit), (other_used, other_limit)) = (self.fill(weight), other.fill(weight));
        // Without this, a limit of 0 would tie with every other cell, and the order would not be one.
        let (limit, other_limit) = (limit.max(1), other_limit.max(1));
        let ours = u128::from(used) * u128::from(other_limit);
        let theirs = u128::from(other_used) * u128::from(limit);
        let tie = || mix(other.key, tenant_key).cmp(&mix(self.key, tenant_key));
        let order = rank(self).cmp(&rank(other)).then(ours.cmp(&theirs));
        order.then_with(tie).then_with(|| self.cell.cmp(&other.cell))
    }
}

/// The best cell that takes the tenant: its index.
pub fn choose(candidates: &[Candidate], wish: &Wish<'_>) -> Option<usize> {
    let tenant_key = hash(wish.tenant.as_str());
    let eligible = candidates.iter().enumerate().filter(|(_, cell)| cell.refusal(wish, false).is_none());
    let best = eligible.min_by(|(_, a), (_, b)| a.compare(b, tenant_key, wish.attributes.weight));
    best.map(|(index, _)| index)
}

/// What placement says of one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The cell.
    pub cell: CellId,
    /// Its place in the order of preference, from 1; none where it refuses.
    pub rank: Option<usize>,
    /// How full it would be, as a share of its limit: by weight where weight is bounded, else by count.
    pub fill: f64,
    /// Why it does not take the tenant.
    pub refusal: Option<Refusal>,
}

/// What placement says of every cell: those that take the tenant first, the best at the top.
pub fn explain(candidates: &[Candidate], wish: &Wish<'_>) -> Vec<Verdict> {
    let tenant_key = hash(wish.tenant.as_str());
    let weight = wish.attributes.weight;
    let mut judged: Vec<(&Candidate, Option<Refusal>)> =
        candidates.iter().map(|cell| (cell, cell.refusal(wish, false))).collect();
    judged.sort_by(|(a, a_refusal), (b, b_refusal)| {
        let order = a_refusal.is_some().cmp(&b_refusal.is_some());
        order.then_with(|| match a_refusal {
            None => a.compare(b, tenant_key, weight),
            Some(_) => a.cell.cmp(&b.cell),
        })
    });
    let verdict = |(index, (cell, refusal)): (usize, (&Candidate, Option<Refusal>))| {
        let (used, limit) = cell.fill(weight);
        let rank = refusal.is_none().then_some(index + 1);
        Verdict { cell: cell.cell.clone(), rank, fill: share(used, limit), refusal }
    };
    judged.into_iter().enumerate().map(verdict).collect()
}

fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The names that are valid; the definition's schema lets no others through.
fn parsed<T: std::str::FromStr + Ord>(names: &[String]) -> BTreeSet<T> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// The first eight bytes of SHA-256: stable over versions and machines.
fn hash(text: &str) -> u64 {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Mixes two hashes into one (the finaliser of `SplitMix64`: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
fn mix(cell: u64, tenant: u64) -> u64 {
    let mut z = cell ^ tenant.rotate_left(32);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
