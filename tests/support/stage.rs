//! A fleet on a stage: the real binary, CloudFormation on a scripted endpoint, everything else on one MiniStack.
//!
//! Owns: the folder of a fleet, its control table, and how the binary is run. Constraint kept: the environment of the
//! binary holds nothing but what leads it to these endpoints, so that a test can never reach an account.

#![allow(clippy::expect_used, reason = "a helper that fails is a test that fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement};
use aws_sdk_dynamodb::types::{KeyType, Projection, ProjectionType, ScalarAttributeType};
use cellctl::local::{LocalSettings, OwnedInstance, OwnedOptions};
use tempfile::TempDir;

use super::scripted::{Builder, Preload, Scripted};

/// The account of every stage: both endpoints take an access key of twelve digits for the account.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The Region of every stage.
pub(crate) const REGION: &str = "eu-central-1";

/// A cell that is a table, a queue and a topic.
pub(crate) const TEMPLATE: &str = r#"AWSTemplateFormatVersion: "2010-09-09"
Description: a small cell
Resources:
  OrdersTable:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      TableName: !Sub ${AWS::StackName}-orders
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
  OrdersQueue:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 30 }
  Alerts:
    Type: AWS::SNS::Topic
Outputs:
  Orders: { Value: !Ref OrdersTable }
"#;

/// A cell without anything that holds data: what is left of it after a rollback is nothing.
pub(crate) const STATELESS: &str = r#"AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Alerts: { Type: AWS::SNS::Topic, Properties: { DisplayName: one } }
  Reports: { Type: AWS::SNS::Topic, Properties: { DisplayName: one } }
"#;

/// A fleet with its endpoints.
pub(crate) struct Stage {
    /// CloudFormation.
    pub(crate) cloudformation: Scripted,
    /// Name of the fleet.
    pub(crate) fleet: String,
    dir: TempDir,
    access_key: String,
    others: String,
}

impl Stage {
    /// A fleet of these cells, all from `TEMPLATE`, on an endpoint that `order` orders.
    pub(crate) fn new(cells: &[&str], order: impl FnOnce(Builder, &str) -> Builder) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let fleet = format!("stage-{number}");
        let cloudformation = order(Scripted::builder(), &fleet).start().expect("a scripted endpoint");
        let dir = tempfile::tempdir().expect("a folder");
        let stage = Self { cloudformation, fleet, dir, access_key: ACCOUNT.to_owned(), others: ministack() };
        let spec = format!("spec: {{ region: {REGION}, template: plain }}");
        stage.write("cells/fleet.yaml", &document("Fleet", &stage.fleet, &spec));
        stage.template("plain", TEMPLATE);
        for cell in cells {
            stage.cell(cell, "plain");
        }
        stage.make_control_tables();
        stage
    }

    /// A fleet of one cell, `one`, from `template`.
    pub(crate) fn of_one(template: &str, order: impl FnOnce(Builder, &str) -> Builder) -> Self {
        let stage = Self::new(&["one"], order);
        stage.template("plain", template);
        stage
    }

    /// Writes a file of the fleet's folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// A path in the fleet's folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a template.
    pub(crate) fn template(&self, name: &str, text: &str) {
        self.write(&format!("templates/{name}/template.yaml"), text);
    }

    /// Writes the definition of a cell.
    pub(crate) fn cell(&self, name: &str, template: &str) {
        self.cell_with(name, &format!("template: {template}"));
    }

    /// Writes the definition of a cell with these further fields.
    pub(crate) fn cell_with(&self, name: &str, fields: &str) {
        let spec = format!("spec: {{ type: shared, {fields}, capacity: {{ tenants: 10, weight: 10 }} }}");
        self.write(&format!("cells/{name}.yaml"), &document("Cell", name, &spec));
    }

    /// Name of the stack of a cell.
    pub(crate) fn stack(&self, cell: &str) -> String {
        format!("{}-{cell}", self.fleet)
    }

    /// Status of the stack of a cell.
    pub(crate) fn status(&self, cell: &str) -> Option<&'static str> {
        self.cloudformation.status(&self.stack(cell))
    }

    /// A stack of that cell, with the tags that make it the cell's own.
    pub(crate) fn own_stack(&self, cell: &str, template: &str) -> Preload {
        let stack = Preload::new(self.stack(cell), template).tag("cellctl:fleet", &self.fleet);
        stack.tag("cellctl:cell", cell).protected()
    }

    /// Puts the stack of that cell there, in that status.
    pub(crate) fn preload(&self, cell: &str, template: &str, status: &'static str) {
        let stack = self.own_stack(cell, template).status(status).reason("somebody's mistake");
        self.cloudformation.preload(stack).expect("a stack");
    }

    /// Makes the artifact bucket.
    pub(crate) fn make_bucket(&self) {
        let config = self.sdk_config();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let place = aws_sdk_s3::types::BucketLocationConstraint::from(REGION);
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(place).build();
        let request = aws_sdk_s3::Client::from_conf(s3).create_bucket().create_bucket_configuration(place);
        block_on(request.bucket(format!("cellctl-{}-{ACCOUNT}-{REGION}", self.fleet)).send()).expect("a bucket");
    }

    /// The control table, with its index, and the tenant-map table.
    fn make_control_tables(&self) {
        let index = GlobalSecondaryIndex::builder()
            .index_name("byTime")
            .set_key_schema(Some(keys(["day", "at"])))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        let request = self.table(&format!("cellctl-{}-control", self.fleet));
        let request = text_attributes(request, ["day", "at"]);
        block_on(request.global_secondary_indexes(index.build().expect("an index")).send()).expect("a table");
        self.make_table(&format!("cellctl-{}-tenants", self.fleet));
    }

    /// Makes a table with the text keys `pk` and `sk`, protected against deletion.
    pub(crate) fn make_table(&self, name: &str) {
        block_on(self.table(name).send()).expect("a table");
    }

    fn table(&self, name: &str) -> CreateTableFluentBuilder {
        let request = aws_sdk_dynamodb::Client::new(&self.sdk_config())
            .create_table()
            .table_name(name)
            .deletion_protection_enabled(true)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(keys(["pk", "sk"])));
        text_attributes(request, ["pk", "sk"])
    }

    /// Puts an item into such a table.
    pub(crate) fn put_item(&self, table: &str) {
        let client = aws_sdk_dynamodb::Client::new(&self.sdk_config());
        let request = ["pk", "sk"].into_iter().fold(client.put_item().table_name(table), |request, key| {
            request.item(key, aws_sdk_dynamodb::types::AttributeValue::S("x".to_owned()))
        });
        block_on(request.send()).expect("an item");
    }

    /// Whether a table exists.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        let client = aws_sdk_dynamodb::Client::new(&self.sdk_config());
        block_on(client.describe_table().table_name(name).send()).is_ok()
    }

    /// All items of the control table, each as text, in order.
    pub(crate) fn control_items(&self) -> Vec<String> {
        let client = aws_sdk_dynamodb::Client::new(&self.sdk_config());
        let table = format!("cellctl-{}-control", self.fleet);
        let pages = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
        let items = block_on(pages.collect::<Result<Vec<_>, _>>()).expect("the items");
        let sorted =
            |item: std::collections::HashMap<_, _>| item.into_iter().collect::<std::collections::BTreeMap<_, _>>();
        let mut texts: Vec<String> = items.into_iter().map(|item| format!("{:?}", sorted(item))).collect();
        texts.sort();
        texts
    }

    fn sdk_config(&self) -> aws_config::SdkConfig {
        use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
        let credentials = Credentials::new(ACCOUNT, "test", None, None, "stage");
        aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.others)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    /// The binary, ready to run in the fleet's folder with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cellctl"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        let inherited = ["PATH", "HOME"].map(|name| (name, std::env::vars_os().find(|(n, _)| n == name)));
        command.envs(inherited.into_iter().filter_map(|(name, found)| Some((name, found?.1))));
        command.env("AWS_ENDPOINT_URL", &self.others);
        command.env("AWS_ENDPOINT_URL_CLOUDFORMATION", self.cloudformation.endpoint());
        command.env("AWS_ACCESS_KEY_ID", &self.access_key).env("AWS_SECRET_ACCESS_KEY", "test");
        command.env("AWS_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
        let nowhere = self.path("no-such-file");
        command.env("AWS_CONFIG_FILE", &nowhere).env("AWS_SHARED_CREDENTIALS_FILE", &nowhere);
        command
    }

    /// Runs the binary.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs `cellctl apply --yes` with these further arguments.
    pub(crate) fn apply(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["apply", "--yes"], arguments].concat())
    }

    /// How many requests of an action were answered, or took effect without an answer.
    pub(crate) fn effects(&self, action: &str) -> usize {
        use super::scripted::Outcome;
        let calls = self.cloudformation.calls();
        let took = |outcome: Outcome| matches!(outcome, Outcome::Answered | Outcome::Lost);
        calls.iter().filter(|call| call.action == action && took(call.outcome)).count()
    }
}

/// A key of a partition and a sort key.
fn keys(names: [&str; 2]) -> Vec<KeySchemaElement> {
    let kinds = [KeyType::Hash, KeyType::Range];
    let key = |(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key");
    names.into_iter().zip(kinds).map(key).collect()
}

fn text_attributes(request: CreateTableFluentBuilder, names: [&str; 2]) -> CreateTableFluentBuilder {
    names.into_iter().fold(request, |request, name| {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request.attribute_definitions(attribute.build().expect("an attribute"))
    })
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: cellctl/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\n{spec}\n")
}

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed, stdout first.
    pub(crate) text: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Self { code: output.status.code(), text }
    }
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        self
    }

    /// Checks that all of these stand in what it printed.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.text.contains(part), "{part:?} is not in:\n{}", self.text);
        }
        self
    }

    /// Checks that this does not stand in what it printed.
    #[track_caller]
    pub(crate) fn never_says(self, part: &str) -> Self {
        assert!(!self.text.contains(part), "{part:?} is in:\n{}", self.text);
        self
    }
}

/// Runs a future to its end on a thread without a runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

/// The address of the one MiniStack of this process. It ends with the process.
fn ministack() -> String {
    static SHARED: LazyLock<Mutex<Option<OwnedInstance>>> = LazyLock::new(Mutex::default);
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let instance = shared.get_or_insert_with(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let settings = LocalSettings::at(folder.join("cellctl"), std::env::vars_os());
        let log = folder.join(format!("stage-{}.log", std::process::id()));
        let options = OwnedOptions { region: REGION.to_owned(), log };
        block_on(OwnedInstance::start(&settings, &options, &mut |_| {})).expect("MiniStack starts")
    });
    instance.endpoint()
}
