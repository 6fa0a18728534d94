//! Carries out one action with one call and reports the outcome. Decides nothing.

mod refusal;
mod secret;

use std::{sync::Arc, time::Duration};

use crds::authentication::{FINALIZER, GROUP, LABEL, ManagedServiceAccountStatus};
use jiff::Timestamp;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec, TokenReview, TokenReviewSpec},
    core::v1::{Secret, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta},
};
use serde_json::json;
use tokio::time::timeout;

pub(crate) use self::refusal::{broken, refused};
use super::{
    metrics::Metrics,
    objects::{self, Account, Request},
    outcome::{Outcome, Refusal},
    ownership::{Mark, Owner},
    plan::Action,
    seen::{Minted, Step},
    token::Token,
};

/// The field manager for server-side apply.
pub(crate) const MANAGER: &str = "spokeway-agent";
/// The warning of a hub whose CRD is the upstream one when the agent writes a status.
const UNDECLARED: &str = ".status.observedGeneration: field not declared in schema";
/// The deadline of one call.
const DEADLINE: Duration = Duration::from_secs(15);

/// What calls need: clients and what the process shares.
#[derive(Clone)]
pub(crate) struct Hands {
    pub(crate) hub: Client,
    pub(crate) spoke: Client,
    pub(crate) cluster: String,
    pub(crate) namespace: String,
    pub(crate) owner: Option<Owner>,
    /// PEM bundle of the managed cluster's API server.
    pub(crate) authority: Arc<[u8]>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: fn() -> Timestamp,
}

/// What to do, and for which account.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) name: String,
    pub(crate) account: Option<Arc<Account>>,
    pub(crate) action: Action,
}

impl Hands {
    /// Carries out the work, within a bounded time.
    pub(crate) async fn perform(&self, work: &Work) -> Outcome {
        let step = work.action.step();
        let failed = match timeout(DEADLINE, self.act(work)).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(refusal)) => refusal,
            Err(_) => broken(
                step,
                &format!(
                    "the API server did not answer within {} s",
                    DEADLINE.as_secs()
                ),
            ),
        };
        Outcome::Failed(failed)
    }

    async fn act(&self, work: &Work) -> Result<Outcome, Refusal> {
        let Work {
            name,
            account,
            action,
        } = work;
        if let Action::DeleteServiceAccount { uid } = action {
            return self.delete_service_account(name, uid).await;
        }
        let account = account
            .as_deref()
            .ok_or_else(|| broken(action.step(), "the ManagedServiceAccount does not exist"))?;
        match action {
            Action::AddFinalizer => self.finalizers(name, account, true).await,
            Action::RemoveFinalizer { .. } => self.finalizers(name, account, false).await,
            Action::CreateServiceAccount => self.create_service_account(name, account).await,
            Action::RequestToken(request) => self.request_token(name, request).await,
            Action::WriteSecret(content) => self.write_secret(name, account, content).await,
            Action::ReviewToken { token, audiences } => self.review(name, token, audiences).await,
            Action::WriteStatus(status) => self.write_status(name, account, status).await,
            Action::DeleteAccount => self.delete_account(name, account).await,
            Action::DeleteSecret { uid } => self.delete_secret(name, uid).await,
            Action::DeleteServiceAccount { .. } => {
                Err(broken(Step::DeleteServiceAccount, "done above"))
            }
        }
    }

    fn accounts(&self, call: &'static str) -> Api<DynamicObject> {
        self.metrics.called("hub", call);
        accounts(self.hub.clone(), &self.cluster)
    }

    fn secrets(&self, call: &'static str) -> Api<Secret> {
        self.metrics.called("hub", call);
        Api::namespaced(self.hub.clone(), &self.cluster)
    }

    fn service_accounts(&self, call: &'static str) -> Api<ServiceAccount> {
        self.metrics.called("spoke", call);
        Api::namespaced(self.spoke.clone(), &self.namespace)
    }

    /// Adds or removes the agent's finalizer, and keeps the others. The call fails if the account
    /// has changed since it was observed.
    async fn finalizers(
        &self,
        name: &str,
        account: &Account,
        held: bool,
    ) -> Result<Outcome, Refusal> {
        let step = if held {
            Step::AddFinalizer
        } else {
            Step::RemoveFinalizer
        };
        let others = account
            .finalizers
            .iter()
            .map(String::as_str)
            .filter(|other| *other != FINALIZER);
        let finalizers: Vec<_> = others.chain(held.then_some(FINALIZER)).collect();
        let is_last = finalizers.is_empty();
        let patch = json!({"metadata": {
            "uid": account.version.uid,
            "resourceVersion": account.version.resource_version,
            "finalizers": finalizers,
        }});
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match self
            .accounts(step.name())
            .patch(name, &parameters, &Patch::Merge(patch))
            .await
        {
            Ok(_) if is_last && account.deleting.is_some() => Ok(Outcome::AccountGone),
            Ok(account) => Ok(Outcome::Account(Account::read(account))),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Outcome::AccountGone),
            Err(error) => Err(refused(step, &error)),
        }
    }

    async fn create_service_account(
        &self,
        name: &str,
        account: &Account,
    ) -> Result<Outcome, Refusal> {
        let step = Step::CreateServiceAccount;
        let mark = Mark {
            owner: self.owner.clone(),
            account_uid: Some(account.version.uid.clone()),
        };
        let object = ServiceAccount {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some([(LABEL.to_owned(), "true".to_owned())].into()),
                annotations: Some(mark.annotations()),
                ..ObjectMeta::default()
            },
            ..ServiceAccount::default()
        };
        let created = self
            .service_accounts(step.name())
            .create(&ours(), &object)
            .await;
        let found = match created {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let found = self.service_accounts("get_service_account").get(name).await;
                found.map_err(|error| refused(step, &error))?
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                return Err(refusal::no_namespace(&self.namespace));
            }
            created => created.map_err(|error| refused(step, &error))?,
        };
        if objects::is_labelled(found.metadata.labels.as_ref()) {
            return Ok(Outcome::ServiceAccount(objects::ServiceAccount::read(
                &found,
            )));
        }
        Err(refusal::foreign_service_account(&self.namespace, name))
    }

    async fn request_token(&self, name: &str, request: &Request) -> Result<Outcome, Refusal> {
        let step = Step::RequestToken;
        let object = TokenRequest {
            spec: TokenRequestSpec {
                audiences: request.audiences.clone(),
                expiration_seconds: request.seconds,
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let accounts = self.service_accounts(step.name());
        let answer = match accounts
            .create_token_request(name, &PostParams::default(), &object)
            .await
        {
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                return Ok(Outcome::ServiceAccountGone);
            }
            answer => answer.map_err(|error| refused(step, &error))?,
        };
        let token = answer
            .status
            .and_then(|status| Token::from_bytes(status.token.as_bytes()));
        let claims = token.as_ref().and_then(Token::claims);
        let (Some(token), Some(claims)) = (token, claims) else {
            return Err(broken(
                step,
                "the response contains no token of a ServiceAccount",
            ));
        };
        let (request, received) = (request.clone(), (self.clock)());
        Ok(Outcome::Minted(Minted {
            token,
            claims,
            request,
            received,
        }))
    }

    async fn review(
        &self,
        name: &str,
        token: &Token,
        audiences: &[String],
    ) -> Result<Outcome, Refusal> {
        let step = Step::ReviewToken;
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.expose().to_owned()),
                audiences: (!audiences.is_empty()).then(|| audiences.to_vec()),
            },
            ..TokenReview::default()
        };
        self.metrics.called("spoke", step.name());
        let reviews: Api<TokenReview> = Api::all(self.spoke.clone());
        let answer = reviews.create(&PostParams::default(), &review).await;
        let status = answer
            .map_err(|error| refused(step, &error))?
            .status
            .unwrap_or_default();
        let wanted = super::judge::subject(&self.namespace, name);
        let user = status.user.and_then(|user| user.username);
        let good = status.authenticated == Some(true) && user == Some(wanted);
        Ok(Outcome::Reviewed {
            token: token.clone(),
            good,
        })
    }

    async fn write_status(
        &self,
        name: &str,
        account: &Account,
        status: &ManagedServiceAccountStatus,
    ) -> Result<Outcome, Refusal> {
        let step = Step::WriteStatus;
        let mut written = self.apply_status(name, account, status).await;
        if matches!(&written, Err(kube::Error::Api(status)) if status.message.contains(UNDECLARED))
        {
            let known = ManagedServiceAccountStatus {
                observed_generation: None,
                ..status.clone()
            };
            written = self.apply_status(name, account, &known).await;
        }
        match written {
            Ok(account) => {
                let account = Account::read(account);
                Ok(Outcome::Status {
                    asked: status.clone(),
                    account,
                })
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Outcome::AccountGone),
            Err(error) => Err(refused(step, &error)),
        }
    }

    async fn apply_status(
        &self,
        name: &str,
        account: &Account,
        status: &ManagedServiceAccountStatus,
    ) -> kube::Result<DynamicObject> {
        let body = json!({
            "apiVersion": format!("{GROUP}/v1beta1"),
            "kind": "ManagedServiceAccount",
            "metadata": {"name": name, "uid": account.version.uid},
            "status": status,
        });
        let accounts = self.accounts(Step::WriteStatus.name());
        let parameters = PatchParams::apply(MANAGER).force();
        accounts
            .patch_status(name, &parameters, &Patch::Apply(&body))
            .await
    }

    async fn delete_account(&self, name: &str, account: &Account) -> Result<Outcome, Refusal> {
        let step = Step::DeleteAccount;
        let parameters = only(&account.version.uid);
        match self.accounts(step.name()).delete(name, &parameters).await {
            Ok(deleted) => Ok(deleted.left().map_or(Outcome::AccountGone, |account| {
                Outcome::Account(Account::read(account))
            })),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Outcome::AccountGone),
            Err(error) => Err(refused(step, &error)),
        }
    }

    async fn delete_service_account(&self, name: &str, uid: &str) -> Result<Outcome, Refusal> {
        let step = Step::DeleteServiceAccount;
        let deleted = self
            .service_accounts(step.name())
            .delete(name, &only(uid))
            .await;
        match deleted {
            Ok(deleted) => {
                let left = deleted
                    .left()
                    .filter(|left| left.metadata.finalizers.is_some());
                Ok(left.map_or(Outcome::ServiceAccountGone, |left| {
                    Outcome::ServiceAccount(objects::ServiceAccount::read(&left))
                }))
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                Ok(Outcome::ServiceAccountGone)
            }
            Err(error) => Err(refused(step, &error)),
        }
    }
}

/// The accounts of a cluster, not decoded, so that an invalid account does not break the list.
pub(crate) fn accounts(hub: Client, cluster: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(GROUP, "v1beta1", "ManagedServiceAccount");
    let resource = ApiResource::from_gvk_with_plural(&kind, "managedserviceaccounts");
    Api::namespaced_with(hub, cluster, &resource)
}

/// Parameters that delete this object, but no later one of the same name.
pub(crate) fn only(uid: &str) -> DeleteParams {
    DeleteParams::default().preconditions(Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    })
}

fn ours() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}
