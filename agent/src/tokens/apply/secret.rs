//! The hub's Secret: created if it does not exist, applied if it is the agent's, and otherwise left
//! alone.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crds::authentication::{CA_KEY, GROUP, LABEL, TOKEN_KEY};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use super::{Hands, MANAGER, only, ours, refusal, refused};
use crate::tokens::{
    objects::{self, AUDIENCES, Account, RECEIVED, REQUESTED, Version},
    outcome::{Outcome, Refusal},
    plan::Content,
    seen::Step,
};

impl Hands {
    pub(super) async fn write_secret(
        &self,
        name: &str,
        account: &Account,
        content: &Content,
    ) -> Result<Outcome, Refusal> {
        let step = Step::WriteSecret;
        let body = self.body(name, account, content);
        let secret = match &content.replaces {
            Some(version) => {
                let body = at(body, version);
                let parameters = PatchParams::apply(MANAGER).force();
                let secrets = self.secrets(step.name());
                let applied = secrets.patch(name, &parameters, &Patch::Apply(&body)).await;
                applied.map_err(|error| refused(step, &error))?
            }
            None => match self.create_secret(body).await {
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    return self.find_secret(name).await;
                }
                created => created.map_err(|error| refused(step, &error))?,
            },
        };
        Ok(Outcome::Written {
            secret: objects::Secret::read(&secret, (self.clock)()),
            token: content.token.clone(),
            authority: self.authority.clone(),
        })
    }

    pub(super) async fn delete_secret(&self, name: &str, uid: &str) -> Result<Outcome, Refusal> {
        let step = Step::DeleteSecret;
        match self.secrets(step.name()).delete(name, &only(uid)).await {
            Ok(_) => Ok(Outcome::SecretGone),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Outcome::SecretGone),
            Err(error) => Err(refused(step, &error)),
        }
    }

    /// Reads a Secret that was not observed. It is the agent's if the answer to a write was lost;
    /// otherwise it belongs to somebody else.
    async fn find_secret(&self, name: &str) -> Result<Outcome, Refusal> {
        let found = self
            .secrets("get_secret")
            .get(name)
            .await
            .map_err(|error| refused(Step::WriteSecret, &error))?;
        if objects::is_labelled(found.metadata.labels.as_ref()) {
            return Ok(Outcome::Secret(objects::Secret::read(
                &found,
                (self.clock)(),
            )));
        }
        Err(refusal::foreign_secret(&self.cluster, name))
    }

    async fn create_secret(&self, mut body: Value) -> kube::Result<Secret> {
        body["type"] = "Opaque".into();
        let secret = serde_json::from_value(body).map_err(kube::Error::SerdeError)?;
        self.secrets(Step::WriteSecret.name())
            .create(&ours(), &secret)
            .await
    }

    /// All fields that the agent owns. The type is set only on creation because it is immutable.
    fn body(&self, name: &str, account: &Account, content: &Content) -> Value {
        let minted = &content.token;
        let mut annotations = Map::new();
        annotations.insert(
            RECEIVED.to_owned(),
            format!("{:.0}", minted.received).into(),
        );
        if let Some(seconds) = minted.request.seconds {
            annotations.insert(REQUESTED.to_owned(), seconds.to_string().into());
        }
        if !minted.request.audiences.is_empty() {
            annotations.insert(
                AUDIENCES.to_owned(),
                minted.request.audiences.join(",").into(),
            );
        }
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "labels": {LABEL: "true"},
                "annotations": annotations,
                "ownerReferences": [{
                    "apiVersion": format!("{GROUP}/v1beta1"),
                    "kind": "ManagedServiceAccount",
                    "name": name,
                    "uid": account.version.uid,
                }],
            },
            "data": {
                TOKEN_KEY: STANDARD.encode(minted.token.expose()),
                CA_KEY: STANDARD.encode(&self.authority),
            },
        })
    }
}

/// Restricts the write to this state of this Secret.
fn at(mut body: Value, version: &Version) -> Value {
    body["metadata"]["uid"] = version.uid.clone().into();
    body["metadata"]["resourceVersion"] = version.resource_version.clone().into();
    body
}
