//! The types behind `cells/*.yaml`. Their doc comments are the descriptions in the JSON Schema that editors show.
//!
//! Constraint kept: shape only (types, patterns, ranges, unknown fields) lives here, as schema attributes, so that
//! the schema and the reader cannot differ; what relates one field to another is in `check`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RolloutSpec, Seconds, maps};

/// `cells/fleet.yaml`: what all cells of one application in one environment share.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetFile {
    /// Version of the format: always cellctl/v1.
    #[schemars(extend("const" = "cellctl/v1"))]
    pub api_version: String,
    /// Always Fleet.
    #[schemars(extend("const" = "Fleet"))]
    pub kind: String,
    /// Name and labels.
    pub metadata: FleetMetadata,
    /// What the fleet is.
    pub spec: FleetSpec,
}

/// Name and labels of a fleet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetMetadata {
    /// Name of the fleet; the first part of every stack's name. It cannot change later.
    #[schemars(regex(pattern = r"^[a-z]([a-z0-9]|-[a-z0-9]){0,19}$"), length(max = 20))]
    pub name: String,
    /// Labels for people and selectors.
    #[serde(default)]
    #[schemars(schema_with = "maps::labels")]
    pub labels: IndexMap<String, String>,
}

/// What a fleet is: where its control state lives and the defaults of its cells.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetSpec {
    /// Region of the control stack, and of cells that name none.
    #[schemars(regex(pattern = r"^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$"))]
    pub region: String,
    /// Account of the control stack: 12 digits in quotes. When given, cellctl refuses to work in another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: Option<String>,
    /// Template of cells that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 40))]
    pub template: Option<String>,
    /// Tags on every stack of the fleet; CloudFormation passes them on to the resources.
    #[serde(default)]
    #[schemars(schema_with = "maps::tags")]
    pub tags: IndexMap<String, String>,
    /// Sets of Regions that tenants may ask for, by name: `eu: [eu-central-1, eu-west-1]`.
    #[serde(default)]
    #[schemars(schema_with = "maps::residency")]
    pub residency: IndexMap<String, Vec<String>>,
    /// Number of stacks changed at a time: a number; auto when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: Option<u32>,
    /// Number of failed cells after which an apply starts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub max_failures: Option<u32>,
    /// How changes are brought to the fleet.
    #[serde(default)]
    pub rollout: RolloutSpec,
}

/// `cells/<name>.yaml`: one cell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CellFile {
    /// Version of the format: always cellctl/v1.
    #[schemars(extend("const" = "cellctl/v1"))]
    pub api_version: String,
    /// Always Cell.
    #[schemars(extend("const" = "Cell"))]
    pub kind: String,
    /// Name and labels.
    pub metadata: CellMetadata,
    /// What the cell is.
    pub spec: CellSpec,
}

/// Name and labels of a cell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CellMetadata {
    /// Name of the cell, also that of its file. It cannot change later.
    #[schemars(regex(pattern = r"^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 24))]
    pub name: String,
    /// Labels for people and selectors.
    #[serde(default)]
    #[schemars(schema_with = "maps::labels")]
    pub labels: IndexMap<String, String>,
}

/// What kind of tenants a cell takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum CellType {
    /// Many tenants.
    Shared,
    /// One tenant, or those named.
    Dedicated,
    /// Gets every change first; internal and willing tenants only.
    Canary,
    /// Cell zero: the legacy deployment that is being emptied.
    Zero,
}

impl CellType {
    /// The word that stands in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Dedicated => "dedicated",
            Self::Canary => "canary",
            Self::Zero => "zero",
        }
    }
}

/// What a cell is: where it lives, how many tenants it takes, and its atoms.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CellSpec {
    /// What kind of tenants the cell takes.
    #[serde(rename = "type")]
    pub cell_type: CellType,
    /// Region of the cell; that of the fleet when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$"))]
    pub region: Option<String>,
    /// Account of the cell: 12 digits in quotes. Needs roleArn when it is not that of the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: Option<String>,
    /// Role that cellctl assumes to work in the cell's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"))]
    pub role_arn: Option<String>,
    /// Folder below the templates directory; that of the fleet when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 40))]
    pub template: Option<String>,
    /// How many tenants the cell takes.
    pub capacity: Capacity,
    /// Tiers whose tenants the cell takes; those of every tier when absent.
    #[serde(default)]
    #[schemars(length(max = 100), inner(regex(pattern = maps::WORD)))]
    pub tiers: Vec<String>,
    /// With `type: dedicated`: the tenants that the cell is for. Without it, the cell takes one tenant, the first.
    #[serde(default)]
    #[schemars(inner(regex(pattern = maps::TENANT)))]
    pub reserved_for: Vec<String>,
    /// `DynamoDB` tables, by name.
    #[serde(default)]
    #[schemars(schema_with = "maps::atoms::<Table>")]
    pub tables: IndexMap<String, Table>,
    /// SQS queues, by name.
    #[serde(default)]
    #[schemars(schema_with = "maps::atoms::<Queue>")]
    pub queues: IndexMap<String, Queue>,
    /// Lambda functions, by name.
    #[serde(default)]
    #[schemars(schema_with = "maps::atoms::<Function>")]
    pub functions: IndexMap<String, Function>,
    /// Shards of each tenant's fence: 1 to 32; 1 when absent. A transaction checks one of them, so that more let a busy
    /// tenant write more at a time. Change it only in a cell that serves no tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub fence_shards: Option<u8>,
    /// Values for the parameters of a CloudFormation template of your own.
    #[serde(default)]
    #[schemars(schema_with = "maps::parameters")]
    pub parameters: IndexMap<String, String>,
    /// Tags on the cell's stack, beside those of the fleet.
    #[serde(default)]
    #[schemars(schema_with = "maps::tags")]
    pub tags: IndexMap<String, String>,
    /// Days for which the functions' logs are kept; 30 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]))]
    pub log_retention_days: Option<u32>,
    /// SNS topic that the cell's alarms notify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:.+$"))]
    pub alarm_topic: Option<String>,
}

/// How many tenants a cell takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// Number of tenants.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub tenants: u64,
    /// Sum of the tenants' weights; no bound when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub weight: Option<u64>,
}

/// Type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum KeyType {
    /// String.
    S,
    /// Number.
    N,
    /// Binary.
    B,
}

/// A `DynamoDB` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// Attribute that is the partition key.
    #[schemars(length(min = 1, max = 255))]
    pub partition_key: String,
    /// Attribute that is the sort key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub sort_key: Option<String>,
    /// Types of key attributes that are not strings: S, N or B.
    #[serde(default)]
    pub attributes: IndexMap<String, KeyType>,
    /// Global secondary indexes, by name.
    #[serde(default)]
    #[schemars(schema_with = "maps::indexes")]
    pub indexes: IndexMap<String, Index>,
    /// Attribute that holds the time of expiry, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub time_to_live: Option<String>,
    /// How a tenant's items are found; a table without it holds nothing of any tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TableTenant>,
}

/// A global secondary index.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Index {
    /// Attribute that is the index's partition key.
    #[schemars(length(min = 1, max = 255))]
    pub partition_key: String,
    /// Attribute that is the index's sort key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub sort_key: Option<String>,
    /// What the index carries: all attributes (the default) or keys only.
    #[serde(default)]
    pub projection: Projection,
}

/// What an index carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Projection {
    /// Every attribute.
    #[default]
    All,
    /// The keys of the table and of the index.
    Keys,
}

/// How a tenant's items are found in a table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableTenant {
    /// Where the tenant id stands.
    pub by: TenantBy,
    /// With `by: index`: the index whose partition key is the tenant id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// With `by: attribute`: the attribute that holds the tenant id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// With `by: prefix`: what ends the tenant id in the partition key; `#` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub separator: Option<String>,
}

/// Where the tenant id stands in a table's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum TenantBy {
    /// It is the partition key.
    PartitionKey,
    /// It begins the partition key.
    Prefix,
    /// It is the partition key of an index.
    Index,
    /// It stands in an attribute: a move scans the table.
    Attribute,
}

/// An SQS queue.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// For how long a received message is hidden: up to 12h; 30s when absent. At least six times the time-out of the
    /// function that consumes the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility_timeout: Option<Seconds>,
    /// Receives after which a message goes to the dead-letter queue; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub dead_letter_after: Option<u32>,
    /// For how long a message is kept: 1m to 14d; 4d when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Seconds>,
    /// Delay of every message: up to 15m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Seconds>,
    /// Whether the queue keeps order and removes duplicates.
    #[serde(default)]
    pub fifo: bool,
    /// How a message's tenant is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<QueueTenant>,
}

/// How a message's tenant is found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueTenant {
    /// Message attribute that holds the tenant id.
    #[schemars(length(min = 1, max = 256))]
    pub attribute: String,
}

/// A Lambda function.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Function {
    /// Lambda runtime, such as python3.13 or nodejs22.x.
    #[schemars(regex(
        pattern = r"^(python3\.[0-9]+|nodejs[0-9]+\.x|java[0-9]+(\.al2)?|dotnet[0-9]+|ruby[0-9]\.[0-9]+|provided\.al[0-9]+)$"
    ))]
    pub runtime: String,
    /// Entry point, such as index.handler.
    #[schemars(regex(pattern = r"^[^\s]{1,128}$"))]
    pub handler: String,
    /// Folder of the code, from the directory that holds the templates directory.
    #[schemars(length(min = 1, max = 1024))]
    pub code: String,
    /// Queues whose messages the function handles.
    #[serde(default)]
    pub consumes: Vec<String>,
    /// Tables whose stream the function handles.
    #[serde(default)]
    pub streams: Vec<String>,
    /// Tables that the function reads.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Tables that the function reads and writes.
    #[serde(default)]
    pub writes: Vec<String>,
    /// Queues that the function sends to.
    #[serde(default)]
    pub sends: Vec<String>,
    /// Memory in MiB; 256 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 128, max = 10240))]
    pub memory: Option<u32>,
    /// Time after which a call is ended: 1s to 15m; 30s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Seconds>,
    /// Messages or records handed over at a time; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: Option<u32>,
    /// Calls at a time that are reserved for, and bound, this function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub reserved_concurrency: Option<u32>,
    /// Environment variables. A secret goes in as a dynamic reference, never as text.
    #[serde(default)]
    #[schemars(schema_with = "maps::environment")]
    pub environment: IndexMap<String, String>,
}
