//! OCM's `CustomResourceDefinition`s, from its Go module. Two of them are templates, which OCM's
//! operator would fill in.

use std::{fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::{Value, json};

use super::{Conversion, OcmError, refused};
use crate::{cluster::Cluster, eventually, gateway::registration, programs::Programs};

const SERVED_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn install_on_hub(
    hub: &Cluster,
    programs: &Programs,
    conversion: &Conversion,
) -> Result<(), OcmError> {
    let fill_in = |text: &str| filled_in(text, Some(conversion));
    install(hub, programs.manifests("ocm-hub-crds"), fill_in).await
}

/// The CRDs of older releases: add-ons in their first version only.
pub(super) async fn install_older_on_hub(
    hub: &Cluster,
    programs: &Programs,
) -> Result<(), OcmError> {
    install(hub, programs.manifests("ocm-hub-crds"), older).await
}

pub(super) async fn install_on_spoke(spoke: &Cluster, programs: &Programs) -> Result<(), OcmError> {
    let fill_in = |text: &str| filled_in(text, None);
    install(spoke, programs.manifests("ocm-spoke-crds"), fill_in).await
}

async fn install(
    cluster: &Cluster,
    directory: &Path,
    fill_in: impl Fn(&str) -> Result<Value, String>,
) -> Result<(), OcmError> {
    let api = Api::<CustomResourceDefinition>::all(cluster.client());
    let mut kinds = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let definition = fill_in(&fs::read_to_string(&path)?);
        let definition = definition.map_err(|why| OcmError::Definition {
            path: path.clone(),
            why,
        })?;
        let name = definition["metadata"]["name"].as_str().unwrap_or_default();
        registration::put(&api, name, definition.clone()).await?;
        kinds.push((name.to_owned(), served(&definition)));
    }
    for (name, versions) in kinds {
        let answers = || async {
            is_established(&api, &name).await?;
            are_answered(cluster, &versions).await
        };
        let answers = eventually(SERVED_WITHIN, "definitions served", answers);
        answers.await.map_err(|elapsed| OcmError::Definition {
            path: name.clone().into(),
            why: elapsed.to_string(),
        })?;
    }
    Ok(())
}

/// Each version of a kind that is served.
fn served(definition: &Value) -> Vec<ApiResource> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = spec["versions"].as_array().into_iter().flatten();
    let served = versions.filter(|version| version["served"] == true);
    let resource = |version: &Value| {
        let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
        let kind = GroupVersionKind::gvk(&group, &text(&version["name"]), &kind);
        ApiResource::from_gvk_with_plural(&kind, &text(&spec["names"]["plural"]))
    };
    served.map(resource).collect()
}

/// Requests each kind once before it is used. The first request for a new kind opens its store,
/// which can take longer than the timeout of a controller's request.
async fn are_answered(cluster: &Cluster, versions: &[ApiResource]) -> Result<(), String> {
    let one = ListParams::default().limit(1);
    for version in versions {
        let objects = Api::<DynamicObject>::all_with(cluster.client(), version);
        let listed = objects.list_metadata(&one).await;
        listed.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A CRD as OCM's operator would apply it, with the URL of its conversion.
fn filled_in(text: &str, conversion: Option<&Conversion>) -> Result<Value, String> {
    let mut definition = read(text)?;
    if let Some(webhook) = definition.pointer_mut("/spec/conversion/webhook") {
        let conversion = conversion.ok_or("it wants a conversion, and there is none")?;
        webhook["clientConfig"] = json!({
            "url": conversion.url,
            "caBundle": STANDARD.encode(&conversion.authority),
        });
    }
    Ok(definition)
}

/// A CRD with only the first version of add-ons.
fn older(text: &str) -> Result<Value, String> {
    let mut definition = read(text)?;
    let spec = &mut definition["spec"];
    if spec["group"] == "addon.open-cluster-management.io" {
        spec["conversion"] = json!({"strategy": "None"});
        let versions = spec["versions"]
            .as_array_mut()
            .ok_or("it has no versions")?;
        versions.retain(|version| version["name"] == "v1alpha1");
    }
    Ok(definition)
}

/// Reads a CRD and ignores its placeholders.
fn read(text: &str) -> Result<Value, String> {
    let plain: String = text
        .lines()
        .map(|line| match line.find("{{") {
            Some(start) => format!("{}x\n", &line[..start]),
            None => format!("{line}\n"),
        })
        .collect();
    serde_saphyr::from_str(&plain).map_err(|error| error.to_string())
}

async fn is_established(api: &Api<CustomResourceDefinition>, name: &str) -> Result<(), String> {
    let definition = api
        .get(name)
        .await
        .map_err(refused(name))
        .map_err(|error| error.to_string())?;
    let conditions = definition.status.and_then(|status| status.conditions);
    let established = conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Established" && condition.status == "True");
    established
        .then_some(())
        .ok_or_else(|| format!("{name} is not"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_gets_the_conversion_that_runs() {
        let text = "spec:\n  conversion:\n    strategy: Webhook\n    webhook:\n      clientConfig:\n        \
                    caBundle: {{ .Bundle }}\n        service:\n          name: x\n          namespace: {{ .N }}\n";
        let conversion = Conversion {
            url: "https://127.0.0.1:1/convert".to_owned(),
            authority: "pem".to_owned(),
        };
        let definition = filled_in(text, Some(&conversion)).unwrap();
        assert_eq!(
            definition["spec"]["conversion"]["webhook"]["clientConfig"],
            json!({"url": "https://127.0.0.1:1/convert", "caBundle": "cGVt"})
        );
        assert!(filled_in(text, None).is_err());
    }
}
