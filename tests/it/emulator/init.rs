//! `cellctl init`: the control state, made once and left alone after that.

use aws_sdk_s3::types::BucketVersioningStatus;

use crate::support::emulator::{Seen, Shop};

#[tokio::test]
async fn it_creates_the_control_state_once() {
    let shop = Shop::empty("init_twice").await;
    shop.run(&["init", "--yes"]).await.exits(0).says("created").says(&shop.bucket());
    for table in [shop.control_table(), format!("cellctl-{}-tenants", shop.fleet)] {
        let table = shop.aws.table(&table).await.expect("the table is there");
        let stream = table.stream_specification.expect("a stream");
        assert_eq!(stream.stream_view_type.expect("a view").as_str(), "NEW_AND_OLD_IMAGES");
    }
    let s3 = &shop.aws.s3;
    let versioning = s3.get_bucket_versioning().bucket(shop.bucket()).send().await.expect("versioning");
    assert_eq!(versioning.status, Some(BucketVersioningStatus::Enabled));
    let encryption = s3.get_bucket_encryption().bucket(shop.bucket()).send().await.expect("encryption");
    let rules = encryption.server_side_encryption_configuration.expect("a configuration").rules;
    assert_eq!(rules[0].apply_server_side_encryption_by_default().expect("a rule").sse_algorithm.as_str(), "AES256");
    let access = s3.get_public_access_block().bucket(shop.bucket()).send().await.expect("access block");
    let access = access.public_access_block_configuration.expect("a configuration");
    assert_eq!((access.block_public_acls, access.restrict_public_buckets), (Some(true), Some(true)));

    let proxy = shop.proxy().await;
    shop.run_through(&proxy, &["init", "--yes"]).await.exits(0).says("unchanged");
    let writes: Vec<_> = proxy.seen().into_iter().filter(Seen::writes).collect();
    assert_eq!(writes, []);
}

#[tokio::test]
async fn a_control_table_of_somebody_else_is_left_alone() {
    let shop = Shop::empty("init_foreign").await;
    shop.aws.make_table(&shop.control_table()).await;
    shop.aws.put(&shop.control_table(), &[("pk", "precious"), ("sk", "1")]).await;
    shop.run(&["init", "--yes"]).await.exits(7).says(&shop.control_table()).says("without the control stack");
    assert_eq!(shop.aws.items(&shop.control_table()).await.len(), 1);
    assert_eq!(shop.aws.all_stacks().await.len(), 0);
}

#[tokio::test]
async fn without_a_terminal_it_asks_for_yes() {
    let shop = Shop::empty("init_unasked").await;
    shop.run(&["init"]).await.exits(7).says("--yes");
    assert_eq!(shop.aws.all_stacks().await.len(), 0);
}
