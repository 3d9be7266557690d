//! The schemas of the mappings whose keys a user chooses: atoms, indexes, labels, tags, parameters, environment.
//!
//! Owns: what such keys may look like. Constraint kept: a rule that one key or value can break alone is in the schema,
//! where editors see it; sums and references are in `check`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{GateSpec, Index};

/// Key of an atom. 24 characters, as a cell's name; the full name is checked against each service's limit.
pub(super) const ATOM_KEY: &str = "^[a-z][a-zA-Z0-9-]{0,23}$";
/// Name of an index: 3 to 255 characters (`DynamoDB` API reference, `GlobalSecondaryIndex`, `IndexName`).
pub(super) const INDEX_KEY: &str = "^[a-zA-Z0-9_.-]{3,255}$";
/// Key of a label: what a selector can spell without quotes.
pub(super) const LABEL_KEY: &str = "^[A-Za-z][A-Za-z0-9._/-]{0,62}$";
/// Value of a label: selectors separate by commas.
pub(super) const LABEL_VALUE: &str = "^[^,]{0,255}$";
/// Key of a tag: at most 128 characters; `aws:` is AWS's own and `cellctl:` is set by cellctl.
pub(super) const TAG_KEY: &str = "^(?![aA][wW][sS]:|cellctl:).{1,128}$";
/// Name of a template's parameter (CloudFormation user guide, "Parameters").
pub(super) const PARAMETER_KEY: &str = "^[A-Za-z0-9]{1,255}$";
/// Name of an environment variable (Lambda API reference, `Environment`).
pub(super) const ENVIRONMENT_KEY: &str = "^[A-Za-z][A-Za-z0-9_]*$";
/// Name of a metric's dimension (`CloudWatch` API reference, `Dimension`).
pub(super) const DIMENSION_KEY: &str = "^[^:].{0,254}$";

/// A tier, or the name of a set of Regions: what `Tier` and `Residency` take.
pub(super) const WORD: &str = "^(?=.{1,40}$)[a-z](-?[a-z0-9])*$";
/// Name of a tenant: what `TenantId` takes.
pub(super) const TENANT: &str = r"^(?=.{1,128}$)[A-Za-z0-9](\.?[A-Za-z0-9_-])*\.?$";

/// Atoms by name. CloudFormation takes 500 resources a stack, so 200 of one kind is more than fits.
pub(super) fn atoms<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<T>();
    json_schema!({
        "type": "object",
        "maxProperties": 200,
        "propertyNames": { "pattern": ATOM_KEY },
        "additionalProperties": value,
    })
}

/// Indexes by name; 20 is the quota of a table.
pub(super) fn indexes(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<Index>();
    json_schema!({
        "type": "object",
        "maxProperties": 20,
        "propertyNames": { "pattern": INDEX_KEY },
        "additionalProperties": value,
    })
}

/// Labels, which stay in cellctl's own records.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    texts(LABEL_KEY, 50, &json_schema!({ "type": "string", "pattern": LABEL_VALUE }))
}

/// Tags of a stack: values of at most 256 characters.
pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    texts(TAG_KEY, 40, &json_schema!({ "type": "string", "maxLength": 256 }))
}

/// Values of a template's parameters: at most 200 of 4,096 bytes (CloudFormation quotas).
pub(super) fn parameters(_: &mut SchemaGenerator) -> Schema {
    texts(PARAMETER_KEY, 200, &json_schema!({ "type": "string", "maxLength": 4096 }))
}

/// Environment variables; their sum is checked against Lambda's 4 KiB.
pub(super) fn environment(_: &mut SchemaGenerator) -> Schema {
    texts(ENVIRONMENT_KEY, 200, &json_schema!({ "type": "string", "maxLength": 4096 }))
}

/// Sets of Regions by name.
pub(super) fn residency(_: &mut SchemaGenerator) -> Schema {
    let region = json_schema!({ "type": "string", "pattern": "^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$" });
    json_schema!({
        "type": "object",
        "maxProperties": 100,
        "propertyNames": { "pattern": WORD },
        "additionalProperties": { "type": "array", "minItems": 1, "maxItems": 50, "items": region },
    })
}

fn texts(key_pattern: &str, entries_max: u32, value: &Schema) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": entries_max,
        "propertyNames": { "pattern": key_pattern },
        "additionalProperties": value,
    })
}

/// Gates of a rollout, by name.
pub(super) fn gates(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<GateSpec>();
    json_schema!({
        "type": "object",
        "maxProperties": 50,
        "propertyNames": { "pattern": ATOM_KEY },
        "additionalProperties": value,
    })
}

/// Dimensions of a metric: at most 30 (`CloudWatch` API reference, `Metric`).
pub(super) fn dimensions(_: &mut SchemaGenerator) -> Schema {
    texts(DIMENSION_KEY, 30, &json_schema!({ "type": "string", "minLength": 1, "maxLength": 1024 }))
}
