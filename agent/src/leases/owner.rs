//! The owner of a lease: in the agent's own namespace it is the agent's `ServiceAccount`. Then the
//! lease is deleted when the agent is uninstalled, even if the agent writes it at the last moment.

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

const ACCOUNT: &str = "system:serviceaccount:";

/// A `ServiceAccount`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Owner {
    namespace: String,
    name: String,
    uid: String,
}

impl Owner {
    /// Asks the API server for the client's identity. `None` if that is no `ServiceAccount`.
    pub(super) async fn ask(client: Client) -> kube::Result<Option<Self>> {
        let reviews = Api::<SelfSubjectReview>::all(client);
        let review = SelfSubjectReview::default();
        let answer = reviews.create(&PostParams::default(), &review).await?;
        let user = answer.status.and_then(|status| status.user_info);
        Ok(user.and_then(Self::of))
    }

    fn of(user: UserInfo) -> Option<Self> {
        let username = user.username?;
        let (namespace, name) = username.strip_prefix(ACCOUNT)?.split_once(':')?;
        Some(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: user.uid.filter(|uid| !uid.is_empty())?,
        })
    }

    /// The owner references for an object in this namespace. Owners must be in the namespace of the
    /// object.
    pub(super) fn references(&self, namespace: &str) -> Option<Value> {
        let Self {
            namespace: own,
            name,
            uid,
        } = self;
        let reference =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "name": name, "uid": uid});
        (own == namespace).then(|| json!([reference]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(username: &str, uid: &str) -> UserInfo {
        UserInfo {
            username: Some(username.to_owned()),
            uid: Some(uid.to_owned()),
            ..UserInfo::default()
        }
    }

    #[test]
    fn a_service_account_owns_what_is_in_its_namespace() {
        let owner = Owner::of(user("system:serviceaccount:addons:agent", "1-2")).unwrap();
        let references = owner.references("addons").unwrap();
        assert_eq!(references[0]["name"], "agent");
        assert_eq!(references[0]["uid"], "1-2");
        // The garbage collector would delete an object whose owner is in another namespace.
        assert_eq!(owner.references("accounts"), None);
    }

    #[test]
    fn nobody_else_owns_anything() {
        assert_eq!(Owner::of(user("kubernetes-admin", "1-2")), None);
        assert_eq!(
            Owner::of(user("system:serviceaccount:addons:agent", "")),
            None
        );
    }
}
