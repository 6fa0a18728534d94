//! What the configuration asks for and does not get. Only if an administrator of the hub allows it:
//! another image of the server, and the tokens of another account. Whoever may write the configuration
//! could otherwise run anything with the server's rights, or read Secrets of any name. And services
//! whose protocol the gateway does not speak, which an older CRD let in.

use crds::gateway::{CredentialsType, GatewayConfigurationSpec, ServerDeployment};
use serde_json::Value;

use crate::{
    kind::{Kind, ObjectKey},
    names::DERIVING_ROLE,
    observed::Observed,
};

/// Something that the configuration asks for and does not get.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Withheld {
    #[error(
        "the operator does not run the image {0} of spec.server.image, but its own, because the flag \
         --allow-gateway-images of the operator does not name it"
    )]
    Image(String),
    #[error(
        "the ClusterRole {} is missing; apply config/gateway/rbac.yaml again",
        DERIVING_ROLE
    )]
    Role,
    #[error(
        "the ClusterRole {role} does not let the gateway read Secrets of the name {0}, which \
         spec.credentials.managedServiceAccount.name is; add it to resourceNames there",
        role = DERIVING_ROLE
    )]
    Account(String),
    #[error(
        "the service {0} of spec.egress.exposedServices is not exposed, because its protocol is HTTPS and the gateway \
         speaks plain HTTP to services"
    )]
    Service(String),
}

impl Withheld {
    /// The reason in one word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Image(_) => "ImageNotAllowed",
            Self::Role => "RoleMissing",
            Self::Account(_) => "AccountNotAllowed",
            Self::Service(_) => "ProtocolNotSpoken",
        }
    }
}

/// The first of what the configuration does not get.
pub(crate) fn withheld(observed: &Observed, spec: &GatewayConfigurationSpec) -> Option<Withheld> {
    let service = spec.egress.unspoken();
    let service = service.map(|it| format!("{}/{}:{}", it.namespace, it.name, it.port));
    of_server(observed, spec).or_else(|| service.map(Withheld::Service))
}

/// What a server that the operator runs does not get.
fn of_server(observed: &Observed, spec: &GatewayConfigurationSpec) -> Option<Withheld> {
    if spec.server.deployment != ServerDeployment::Managed {
        return None;
    }
    let image = spec.server.image.as_ref();
    let image = image.filter(|image| !is_allowed(observed, image));
    let image = image.map(|image| Withheld::Image(image.clone()));
    image.or_else(|| of_account(observed, spec))
}

/// The image of the server.
pub(super) fn image<'a>(observed: &'a Observed, spec: &'a GatewayConfigurationSpec) -> &'a str {
    let asked = spec.server.image.as_ref();
    asked
        .filter(|image| is_allowed(observed, image))
        .unwrap_or(&observed.installation.gateway_image)
}

/// True for a repository that is allowed, in every tag and digest, and for what is below it.
fn is_allowed(observed: &Observed, image: &str) -> bool {
    let installation = &observed.installation;
    let mut allowed = installation.allowed_images.iter();
    image == installation.gateway_image
        || allowed.any(|allowed| {
            let rest = image.strip_prefix(allowed.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
        })
}

fn of_account(observed: &Observed, spec: &GatewayConfigurationSpec) -> Option<Withheld> {
    if spec.credentials.kind != CredentialsType::ManagedServiceAccount {
        return None;
    }
    let account = &spec.credentials.managed_service_account.name;
    let key = ObjectKey::global(Kind::ClusterRole, DERIVING_ROLE);
    let Some(role) = observed.object(&key) else {
        return Some(Withheld::Role);
    };
    let rules = role.data["rules"].as_array().into_iter().flatten();
    let mut of_secrets = rules.filter(|rule| lists(&rule["resources"], "secrets"));
    let is_named = of_secrets.any(|rule| {
        let names = &rule["resourceNames"];
        names.is_null() || lists(names, account)
    });
    (!is_named).then(|| Withheld::Account(account.clone()))
}

fn lists(list: &Value, wanted: &str) -> bool {
    list.as_array()
        .is_some_and(|all| all.iter().any(|it| it == wanted))
}
