//! What cellctl knows of CloudFormation's resource types.
//!
//! Owns: which types keep data, which property names them, and which properties replace them. Source: the resource
//! provider schemas that CloudFormation publishes (`createOnlyProperties` and `conditionalCreateOnlyProperties`).
//! Constraint kept: this table only helps to judge beforehand; a type that it lacks passes unharmed, and on apply the
//! change set of AWS has the last word.
//!
//! A type is stateful when removing it loses what cannot be made again from the definition. A log group keeps nothing
//! that the application reads, and its name must be free when a cell is made again, so it is not. A queue holds
//! messages, so it is.

/// One resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Atom {
    /// The type (`AWS::DynamoDB::Table`).
    pub resource_type: &'static str,
    /// Whether it keeps data that cannot be made again.
    pub stateful: bool,
    /// The property that gives it a name of one's own.
    pub name_property: Option<&'static str>,
    /// Properties whose change always replaces it, the name among them.
    pub replacing: &'static [&'static str],
    /// Properties whose change may replace it.
    pub may_replace: &'static [&'static str],
}

/// The entry of a type, where it is known.
pub fn atom(resource_type: &str) -> Option<&'static Atom> {
    ATOMS.iter().find(|atom| atom.resource_type == resource_type)
}

/// Whether a resource of this type keeps data.
pub fn is_stateful(resource_type: &str) -> bool {
    atom(resource_type).is_some_and(|atom| atom.stateful)
}

const fn keeper(
    resource_type: &'static str,
    name_property: Option<&'static str>,
    replacing: &'static [&'static str],
    may_replace: &'static [&'static str],
) -> Atom {
    Atom { resource_type, stateful: true, name_property, replacing, may_replace }
}

const fn worker(
    resource_type: &'static str,
    name_property: Option<&'static str>,
    replacing: &'static [&'static str],
    may_replace: &'static [&'static str],
) -> Atom {
    Atom { resource_type, stateful: false, name_property, replacing, may_replace }
}

/// The known types, those that keep data first.
const ATOMS: [Atom; 34] = [
    keeper("AWS::Cognito::UserPool", Some("UserPoolName"), &[], &[]),
    keeper(
        "AWS::DocDB::DBCluster",
        Some("DBClusterIdentifier"),
        &[
            "AvailabilityZones",
            "DBClusterIdentifier",
            "DBSubnetGroupName",
            "KmsKeyId",
            "MasterUsername",
            "SnapshotIdentifier",
            "SourceDBClusterIdentifier",
            "StorageEncrypted",
        ],
        &[],
    ),
    keeper(
        "AWS::DynamoDB::GlobalTable",
        Some("TableName"),
        &["TableName"],
        &["GlobalTableSourceArn", "KeySchema", "LocalSecondaryIndexes"],
    ),
    keeper("AWS::DynamoDB::Table", Some("TableName"), &["ImportSourceSpecification", "TableName"], &["KeySchema"]),
    keeper("AWS::EC2::Volume", None, &[], &[]),
    keeper("AWS::EFS::FileSystem", None, &["AvailabilityZoneName", "Encrypted", "KmsKeyId", "PerformanceMode"], &[]),
    keeper(
        "AWS::ElastiCache::ReplicationGroup",
        Some("ReplicationGroupId"),
        &[
            "AtRestEncryptionEnabled",
            "CacheSubnetGroupName",
            "DataTieringEnabled",
            "GlobalReplicationGroupId",
            "KmsKeyId",
            "NetworkType",
            "Port",
            "PreferredCacheClusterAZs",
            "ReplicationGroupId",
            "SnapshotArns",
            "SnapshotName",
        ],
        &["AuthToken", "NodeGroupConfiguration"],
    ),
    keeper("AWS::KMS::Key", None, &[], &[]),
    keeper("AWS::Kinesis::Stream", Some("Name"), &["Name"], &[]),
    keeper(
        "AWS::MSK::Cluster",
        Some("ClusterName"),
        &[
            "BrokerNodeGroupInfo.BrokerAZDistribution",
            "BrokerNodeGroupInfo.ClientSubnets",
            "BrokerNodeGroupInfo.SecurityGroups",
            "ClusterName",
            "EncryptionInfo.EncryptionAtRest",
            "EncryptionInfo.EncryptionInTransit.InCluster",
        ],
        &[],
    ),
    keeper(
        "AWS::Neptune::DBCluster",
        Some("DBClusterIdentifier"),
        &[
            "AvailabilityZones",
            "DBClusterIdentifier",
            "DBSubnetGroupName",
            "GlobalClusterIdentifier",
            "KmsKeyId",
            "RestoreToTime",
            "RestoreType",
            "SnapshotIdentifier",
            "SourceDBClusterIdentifier",
            "StorageEncrypted",
            "UseLatestRestorableTime",
        ],
        &[],
    ),
    keeper(
        "AWS::OpenSearchService::Domain",
        Some("DomainName"),
        &["DomainName", "EngineMode"],
        &["AdvancedSecurityOptions.Enabled", "EncryptionAtRestOptions.Enabled", "EncryptionAtRestOptions.KmsKeyId"],
    ),
    keeper(
        "AWS::RDS::DBCluster",
        Some("DBClusterIdentifier"),
        &[
            "ClusterScalabilityType",
            "DBClusterIdentifier",
            "DBSubnetGroupName",
            "DBSystemId",
            "DatabaseName",
            "EngineMode",
            "KmsKeyId",
            "PubliclyAccessible",
            "RestoreToTime",
            "RestoreType",
            "SnapshotIdentifier",
            "SourceDBClusterIdentifier",
            "SourceDbClusterResourceId",
            "SourceRegion",
            "StorageEncrypted",
            "UseLatestRestorableTime",
        ],
        &["AvailabilityZones", "Engine", "GlobalClusterIdentifier", "MasterUsername"],
    ),
    keeper(
        "AWS::RDS::DBInstance",
        Some("DBInstanceIdentifier"),
        &[
            "BackupTarget",
            "CharacterSetName",
            "CustomIAMInstanceProfile",
            "DBClusterIdentifier",
            "DBInstanceIdentifier",
            "DBName",
            "DBSubnetGroupName",
            "DBSystemId",
            "KmsKeyId",
            "MasterUsername",
            "NcharCharacterSetName",
            "SourceRegion",
            "StorageEncrypted",
            "Timezone",
        ],
        &[
            "AutoMinorVersionUpgrade",
            "AvailabilityZone",
            "BackupRetentionPeriod",
            "DBClusterSnapshotIdentifier",
            "DBParameterGroupName",
            "DBSnapshotIdentifier",
            "Engine",
            "MultiAZ",
            "PerformanceInsightsKMSKeyId",
            "PreferredMaintenanceWindow",
            "RestoreTime",
            "SourceDBClusterIdentifier",
            "SourceDBInstanceAutomatedBackupsArn",
            "SourceDBInstanceIdentifier",
            "SourceDbiResourceId",
            "UseLatestRestorableTime",
        ],
    ),
    keeper(
        "AWS::Redshift::Cluster",
        Some("ClusterIdentifier"),
        &[
            "ClusterIdentifier",
            "ClusterSubnetGroupName",
            "DBName",
            "MasterUsername",
            "OwnerAccount",
            "SnapshotClusterIdentifier",
            "SnapshotIdentifier",
        ],
        &[],
    ),
    keeper("AWS::S3::Bucket", Some("BucketName"), &["BucketName", "BucketNamePrefix", "BucketNamespace"], &[]),
    keeper("AWS::SQS::Queue", Some("QueueName"), &["FifoQueue", "QueueName"], &[]),
    keeper("AWS::SecretsManager::Secret", Some("Name"), &["Name"], &[]),
    worker("AWS::ApiGatewayV2::Api", None, &["ProtocolType"], &[]),
    worker("AWS::CloudWatch::Alarm", Some("AlarmName"), &["AlarmName"], &[]),
    worker("AWS::Events::EventBus", Some("Name"), &["Name"], &[]),
    worker("AWS::Events::Rule", Some("Name"), &["Name"], &["EventBusName"]),
    worker("AWS::IAM::ManagedPolicy", Some("ManagedPolicyName"), &["Description", "ManagedPolicyName", "Path"], &[]),
    worker("AWS::IAM::Policy", Some("PolicyName"), &[], &[]),
    worker("AWS::IAM::Role", Some("RoleName"), &["Path", "RoleName"], &[]),
    worker(
        "AWS::Lambda::EventSourceMapping",
        None,
        &["EventSourceArn", "SelfManagedEventSource", "StartingPosition", "StartingPositionTimestamp"],
        &[],
    ),
    worker(
        "AWS::Lambda::Function",
        Some("FunctionName"),
        &["FunctionName", "PackageType", "TenancyConfig"],
        &["DurableConfig"],
    ),
    worker(
        "AWS::Lambda::Permission",
        None,
        &[
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        ],
        &[],
    ),
    worker("AWS::Logs::LogGroup", Some("LogGroupName"), &["LogGroupName"], &[]),
    worker("AWS::SNS::Subscription", None, &["Endpoint", "Protocol", "TopicArn"], &["Region"]),
    worker("AWS::SNS::Topic", Some("TopicName"), &["FifoTopic", "TopicName"], &[]),
    worker("AWS::SQS::QueuePolicy", None, &[], &[]),
    worker("AWS::SSM::Parameter", Some("Name"), &["Name"], &[]),
    worker(
        "AWS::StepFunctions::StateMachine",
        Some("StateMachineName"),
        &["StateMachineName", "StateMachineType"],
        &[],
    ),
];
