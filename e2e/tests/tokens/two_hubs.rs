//! A managed cluster with two hubs, whose agents use one namespace by mistake.

use crate::stage::Stage;

const NAME: &str = "gateway";

#[tokio::test]
async fn agents_of_two_hubs_leave_each_others_accounts_alone() {
    let [first, second] = Stage::of_two_hubs().await;
    first.create(NAME, "1h").await;
    let token = first.usable_token(NAME, None).await;
    let uid = || async {
        let found = first.service_accounts().get(NAME).await.unwrap();
        found.metadata.uid.unwrap()
    };
    let before = uid().await;

    second.create(NAME, "1h").await;
    let said = second.says(NAME, "False ServiceAccountConflict").await;
    assert!(said.contains("one/managed1"), "{said}");
    second.delete(NAME).await;
    second.is_gone(NAME).await;
    assert_eq!(uid().await, before);
    assert!(first.is_taken(&token).await);

    // Whoever comes second is served once the first one has left.
    second.create(NAME, "1h").await;
    second.says(NAME, "False ServiceAccountConflict").await;
    first.delete(NAME).await;
    first.is_gone(NAME).await;
    first.is_revoked(&token).await;
    second.usable_token(NAME, None).await;
}
