//! What a table is like, as the service describes it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType as Role, ScalarAttributeType, StreamViewType, TableDescription,
    TimeToLiveStatus,
};

use crate::aws::dynamo::Table;
use crate::domain::data::shape::{KeyAttribute, KeySchema, StreamShape, TableShape};
use crate::domain::definition::KeyType;
use crate::ports::{CallErrorKind, Called};

/// Describes a table; none where there is none.
pub(super) async fn of(table: &Table) -> Called<Option<TableShape>> {
    let client = table.client().await;
    let send = || client.describe_table().table_name(&table.name).send();
    let described = match table.caller.call(table.call("dynamodb:DescribeTable", "the shape"), send).await {
        Ok(answer) => answer.table,
        Err(error) if error.kind == CallErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let Some(described) = described else { return Ok(None) };
    let time_to_live = time_to_live(table).await?;
    let shape =
        shape(&described, time_to_live).ok_or_else(|| table.unreadable("the shape", "its key is incomplete"))?;
    Ok(Some(shape))
}

/// The attribute that holds the time of expiry, where that is on or is being turned on.
async fn time_to_live(table: &Table) -> Called<Option<String>> {
    let client = table.client().await;
    let send = || client.describe_time_to_live().table_name(&table.name).send();
    let answer = table.caller.call(table.call("dynamodb:DescribeTimeToLive", "the shape"), send).await?;
    let on = |status: Option<&TimeToLiveStatus>| {
        matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    };
    let described = answer.time_to_live_description.filter(|described| on(described.time_to_live_status()));
    Ok(described.and_then(|described| described.attribute_name))
}

fn shape(described: &TableDescription, time_to_live: Option<String>) -> Option<TableShape> {
    let types = described.attribute_definitions();
    let global = described.global_secondary_indexes().iter().map(|index| (index.index_name(), index.key_schema()));
    let local = described.local_secondary_indexes().iter().map(|index| (index.index_name(), index.key_schema()));
    let indexes = global.chain(local).map(|(name, key)| Some((name?.to_owned(), key_schema(key, types)?)));
    let count = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    Some(TableShape {
        key: key_schema(described.key_schema(), types)?,
        indexes: indexes.collect::<Option<BTreeMap<_, _>>>()?,
        stream: stream(described),
        time_to_live,
        items_about: count(described.item_count()),
        bytes_about: count(described.table_size_bytes()),
    })
}

fn key_schema(elements: &[KeySchemaElement], types: &[AttributeDefinition]) -> Option<KeySchema> {
    let attribute = |role: Role| {
        let name = elements.iter().find(|element| *element.key_type() == role)?.attribute_name();
        let defined = types.iter().find(|attribute| attribute.attribute_name() == name)?;
        let key_type = match defined.attribute_type() {
            ScalarAttributeType::S => KeyType::S,
            ScalarAttributeType::N => KeyType::N,
            ScalarAttributeType::B => KeyType::B,
            _ => return None,
        };
        Some(KeyAttribute { name: name.to_owned(), key_type })
    };
    Some(KeySchema { partition: attribute(Role::Hash)?, sort: attribute(Role::Range) })
}

/// The stream that is on: a table also names the last one that was turned off.
fn stream(described: &TableDescription) -> Option<StreamShape> {
    let specification = described.stream_specification().filter(|specification| specification.stream_enabled())?;
    let images = specification.stream_view_type() == Some(&StreamViewType::NewAndOldImages);
    Some(StreamShape { arn: described.latest_stream_arn()?.to_owned(), images })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::StreamSpecification;

    use super::*;

    fn described(on: bool, view: StreamViewType) -> TableDescription {
        let key = KeySchemaElement::builder().attribute_name("pk").key_type(Role::Hash).build().expect("complete");
        let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::N);
        let stream = StreamSpecification::builder().stream_enabled(on).stream_view_type(view).build();
        TableDescription::builder()
            .key_schema(key)
            .attribute_definitions(attribute.build().expect("complete"))
            .stream_specification(stream.expect("complete"))
            .latest_stream_arn("arn:stream")
            .build()
    }

    #[test]
    fn a_stream_has_images_only_where_it_has_both() {
        let images = |on, view| shape(&described(on, view), None).expect("complete").stream.map(|stream| stream.images);
        assert_eq!(images(true, StreamViewType::NewAndOldImages), Some(true));
        for view in [StreamViewType::KeysOnly, StreamViewType::NewImage, StreamViewType::OldImage] {
            assert_eq!(images(true, view), Some(false));
        }
        assert_eq!(images(false, StreamViewType::NewAndOldImages), None);
    }

    #[test]
    fn a_key_without_its_type_is_no_shape() {
        let shaped = shape(&described(false, StreamViewType::KeysOnly), None).expect("complete");
        assert_eq!((shaped.key.partition.key_type, shaped.key.sort), (KeyType::N, None));
        let mut lacking = described(false, StreamViewType::KeysOnly);
        lacking.attribute_definitions = None;
        assert_eq!(shape(&lacking, None), None);
    }
}
