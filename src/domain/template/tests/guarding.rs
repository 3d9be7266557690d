//! What the guards add and refuse.

use super::{complaints, render};

/// A template of one resource, whose body is given with an indentation of four.
fn one(body: &str) -> String {
    format!("Resources:\n  X:\n{body}")
}

/// The complaints about an IAM statement (flow form).
fn statement(statement: &str) -> Vec<&'static str> {
    let text = one(&format!(
        "    Type: AWS::IAM::Policy\n    Properties:\n      PolicyDocument:\n        Statement:\n          - {statement}\n"
    )) + "  T:\n    Type: AWS::DynamoDB::Table\n";
    complaints(&text).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn a_bare_table_gets_all_that_keeps_its_data() {
    let stack = render("template.yaml", &one("    Type: AWS::DynamoDB::Table\n")).expect("renders");
    let paths: Vec<&str> = stack.template.injected.iter().map(|i| i.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "DeletionPolicy",
            "UpdateReplacePolicy",
            "Properties.DeletionProtectionEnabled",
            "Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled",
            "Properties.SSESpecification.SSEEnabled",
        ]
    );
    assert!(stack.template.body.contains("    DeletionPolicy: Retain\n"));
    let again = render("template.yaml", &stack.template.body).expect("renders");
    assert_eq!((again.template.injected.len(), &again.template.body), (0, &stack.template.body));
}

#[test]
fn a_bucket_is_encrypted_versioned_and_private() {
    let body = "    Type: AWS::S3::Bucket\n    Properties:\n      PublicAccessBlockConfiguration:\n        BlockPublicAcls: true\n";
    let stack = render("template.yaml", &one(body)).expect("renders");
    for line in ["SSEAlgorithm: AES256", "BlockPublicPolicy: true", "Status: Enabled"] {
        assert!(stack.template.body.contains(line), "{line}\n{}", stack.template.body);
    }
}

#[test]
fn the_contrary_is_refused_unless_allowed() {
    let off = "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Delete\n    Properties: { DeletionProtectionEnabled: false }\n";
    assert_eq!(complaints(&one(off)), [("deletion-policy", 4), ("deletion-protection", 5)]);
    let allowed = format!("{off}    Metadata: {{ cellctl: {{ allow: [deletion-policy, deletion-protection] }} }}\n");
    let stack = render("template.yaml", &one(&allowed)).expect("renders");
    assert!(stack.template.body.contains("DeletionPolicy: Delete"));
    let typo = format!("{off}    Metadata: {{ cellctl: {{ allow: [deletion-polcy, deletion-protection] }} }}\n");
    assert_eq!(complaints(&one(&typo)), [("deletion-policy", 4), ("unknown-guard", 6)]);
    let except = "    Type: AWS::SQS::Queue\n    DeletionPolicy: RetainExceptOnCreate\n";
    assert_eq!(complaints(&one(except)), []);
}

#[test]
fn what_is_already_protected_otherwise_is_left_alone() {
    for body in [
        "    Type: AWS::SQS::Queue\n    Properties: { KmsMasterKeyId: alias/own }\n",
        "    Type: AWS::RDS::DBInstance\n    Properties: { DBClusterIdentifier: c }\n",
        "    Type: AWS::DynamoDB::Table\n    Properties: { DeletionProtectionEnabled: !If [A, true, false], SSESpecification: { SSEEnabled: true }, PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } }\nConditions: { A: !Equals [a, b] }\n",
    ] {
        let stack = render("template.yaml", &one(body)).expect("renders");
        let paths: Vec<&str> = stack.template.injected.iter().map(|i| i.path.as_str()).collect();
        assert_eq!(paths, ["DeletionPolicy", "UpdateReplacePolicy"], "{body}");
    }
}

#[test]
fn roles_reach_the_own_stack_only() {
    for refused in [
        "{ Effect: Allow, Action: 'dynamodb:GetItem', Resource: '*' }",
        "{ Effect: Allow, Action: '*', Resource: !GetAtt T.Arn }",
        "{ Effect: Allow, Action: ['dynamodb:*'], Resource: !GetAtt T.Arn }",
        "{ Effect: Allow, Action: 'dynamodb:GetItem', Resource: !Sub 'arn:aws:dynamodb:*:*:table/${AWS::StackName}-a' }",
        "{ Effect: Allow, Action: 'dynamodb:GetItem', Resource: !Sub 'arn:aws:dynamodb:::table/${AWS::StackName}*' }",
        "{ Effect: Allow, Action: 'dynamodb:GetItem', Resource: !Join ['', ['arn:aws:dynamodb:::table/', '*']] }",
        "{ Effect: Allow, Action: 'dynamodb:GetItem', Resource: !If [C, !GetAtt T.Arn, '*'] }",
        "{ Effect: Allow, NotAction: 'iam:*', Resource: !GetAtt T.Arn }",
    ] {
        assert!(statement(refused).contains(&"iam-wildcard"), "{refused}");
    }
    for good in [
        "{ Effect: Allow, Action: 'dynamodb:GetItem', Resource: !GetAtt T.Arn }",
        "{ Effect: Allow, Action: 'dynamodb:Query', Resource: !Sub '${T.Arn}/index/*' }",
        "{ Effect: Allow, Action: 'dynamodb:GetItem', Resource: !Sub 'arn:aws:dynamodb:::table/${AWS::StackName}-*' }",
        "{ Effect: Allow, Action: ['logs:PutLogEvents', 'xray:PutTraceSegments'], Resource: '*' }",
        "{ Effect: Allow, Action: 'cloudwatch:PutMetricData', Resource: '*' }",
        "{ Effect: Deny, Action: '*', Resource: '*' }",
    ] {
        assert_eq!(statement(good), [] as [&str; 0], "{good}");
    }
}

#[test]
fn nothing_of_another_cell_or_stack_is_named() {
    let queue = |name: &str| one(&format!("    Type: AWS::Lambda::Function\n    Properties:\n      Role: {name}\n"));
    assert_eq!(complaints(&queue("!ImportValue other")), [("import-value", 5)]);
    assert_eq!(
        complaints(&queue("'Fn::ImportValue': other").replace("Role: 'Fn", "Role:\n        'Fn")),
        [("import-value", 6)]
    );
    assert_eq!(complaints(&queue("arn:aws:iam::111122223333:role/shop-cell-2-processor")), [("foreign-cell", 5)]);
    for own in ["arn:aws:iam::111122223333:role/shop-cell-1-processor", "workshop-cell-2", "shop-cell-22", "shop-front"]
    {
        assert_eq!(complaints(&queue(own)), [], "{own}");
    }
}

#[test]
fn secrets_are_refused_and_not_shown() {
    let secret = "hunter2-Xq9vLz8KfP";
    let text = one(&format!(
        "    Type: AWS::Lambda::Function\n    Properties:\n      Environment:\n        Variables:\n          DB_PASSWORD: {secret}\n\
         Outputs:\n  Key:\n    Value: !Sub '${{K.SecretAccessKey}}'\n  Shown:\n    Value: !Ref P\n\
         Parameters:\n  P: {{ Type: String, NoEcho: true, Default: {secret} }}\n"
    ))
    .replace("Resources:\n", "Resources:\n  K: { Type: AWS::IAM::AccessKey }\n");
    let findings = render("template.yaml", &text).expect_err("refused");
    let places: Vec<_> = findings.iter().map(|f| (f.code, f.line)).collect();
    assert_eq!(places, [("plain-secret", 8), ("plain-secret", 11), ("plain-secret", 13), ("plain-secret", 15)]);
    assert!(!format!("{findings:?}").contains(secret));
    let reference = text.replace(&format!("DB_PASSWORD: {secret}"), "DB_PASSWORD: '{{resolve:secretsmanager:db}}'");
    assert_eq!(complaints(&reference).len(), 3);
}

#[test]
fn replicas_of_a_global_table_are_protected_one_by_one() {
    let body = "    Type: AWS::DynamoDB::GlobalTable\n    Properties:\n      Replicas:\n        - Region: eu-central-1\n        - Region: eu-west-1\n          DeletionProtectionEnabled: false\n";
    assert_eq!(complaints(&one(body)), [("deletion-protection", 8)]);
    let stack = render("template.yaml", &one(&body.replace("false", "true"))).expect("renders");
    assert_eq!(stack.template.body.matches("PointInTimeRecoveryEnabled: true").count(), 2);
    assert_eq!(stack.template.body.matches("DeletionProtectionEnabled: true").count(), 2);
}

#[test]
fn a_dynamic_reference_may_stand_within_a_text() {
    let secret = |text: &str| {
        one(&format!("    Type: AWS::SecretsManager::Secret\n    Properties:\n      SecretString: '{text}'\n"))
    };
    assert_eq!(complaints(&secret("{ \"password\": \"{{resolve:secretsmanager:db}}\" }")), []);
    assert_eq!(complaints(&secret("{ \"password\": \"swordfish\" }")), [("plain-secret", 5)]);
}
