//! The gateway's own entrance for agents: what it needs on the hub and on clusters, and that
//! nothing of it is left once agents attach at the hub again.

mod certificates;

use crds::addon::Version;
use k8s_openapi::{ByteString, api::certificates::v1::CertificateSigningRequest};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::model::Hub;
use crate::{
    addon::Addon,
    key::Key,
    kind::{Kind, ObjectKey},
    names::{SERVER, SERVICE, SERVING, TUNNEL_AUTHORITY, TUNNEL_SERVICE, WORK},
    plan::{pki::text, row_key},
};

const NAMESPACE: &str = "spokeway-system";
const CLUSTER: &str = "managed1";
const ADDRESS: &str = "203.0.113.7";

fn hub(server: &str, entrypoint: &Value) -> Hub {
    let mut hub = Hub::new(Version::V1beta1);
    hub.install();
    hub.accept(CLUSTER, &json!({}));
    configure(&mut hub, server, entrypoint);
    hub
}

fn configure(hub: &mut Hub, server: &str, entrypoint: &Value) {
    hub.configure(&json!({
        "server": {"deployment": server}, "egress": {"entrypoint": entrypoint},
    }));
    hub.settle();
}

fn hostname() -> Value {
    json!({"type": "Hostname", "hostname": "gateway.example.com", "port": 8443})
}

fn load_balancer() -> Value {
    json!({"type": "LoadBalancer", "loadBalancer": {"annotations": {"cloud/internal": "true"}}})
}

fn own(hub: &Hub, kind: Kind, name: &str) -> Option<Value> {
    let object = hub
        .observed
        .object(&ObjectKey::new(kind, NAMESPACE, name))?;
    Some(serde_json::to_value(&object.data).unwrap())
}

fn secret(hub: &Hub, name: &str, key: &str) -> String {
    let key_of = ObjectKey::new(Kind::Secret, NAMESPACE, name);
    text(hub.observed.object(&key_of).unwrap(), key).unwrap()
}

fn work(hub: &Hub) -> Vec<Value> {
    let key = ObjectKey::new(Kind::ManifestWork, CLUSTER, WORK);
    let work = hub.observed.object(&key).unwrap();
    let work = hub.whole(&key, work);
    let manifests = &work["spec"]["workload"]["manifests"];
    manifests.as_array().unwrap().clone()
}

/// Assigns an address as a cloud provider does.
fn address(hub: &mut Hub, ingress: &Value) {
    let key = ObjectKey::new(Kind::Service, NAMESPACE, TUNNEL_SERVICE);
    hub.write(
        &key,
        &json!({"status": {"loadBalancer": {"ingress": ingress}}}),
    );
    hub.settle();
}

fn condition(hub: &mut Hub, kind: &str) -> (String, String) {
    hub.turn(&Key::Status);
    let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
    let status = &hub.observed.object(&key).unwrap().data["status"];
    let mut conditions = status["conditions"].as_array().unwrap().iter();
    let found = conditions.find(|it| it["type"] == kind).unwrap();
    let word = |field: &str| found[field].as_str().unwrap().to_owned();
    (word("reason"), word("message"))
}

/// The organizational unit in the registration of the agent.
fn unit(hub: &Hub) -> String {
    let row = hub
        .observed
        .object(&row_key(CLUSTER, Addon::Gateway))
        .unwrap();
    let registrations = row.data["status"]["registrations"].as_array().unwrap();
    let subject = registrations
        .get(1)
        .map(|it| &it["customSigner"]["subject"]);
    let unit = subject.and_then(|subject| subject["organizationUnits"][0].as_str());
    unit.unwrap_or_default().to_owned()
}

fn request(hub: &Hub) -> CertificateSigningRequest {
    let mut all = hub
        .observed
        .within(Kind::CertificateSigningRequest, CLUSTER);
    all.next().unwrap().1.clone().try_parse().unwrap()
}

/// The agent's certificate: its common name, its seconds of life, and its key usages.
fn certificate(hub: &Hub) -> (String, i64, Value) {
    let ByteString(pem) = request(hub).status.unwrap().certificate.unwrap();
    let der = CertificateDer::from_pem_slice(&pem).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    let name = parsed
        .subject()
        .iter_common_name()
        .next()
        .unwrap()
        .as_str()
        .unwrap();
    assert_eq!(parsed.subject().iter_attributes().count(), 2);
    assert!(parsed.subject_alternative_name().unwrap().is_none());
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    let usage = json!({"client": usage.client_auth, "server": usage.server_auth, "any": usage.any});
    let end = parsed.validity().not_after.timestamp();
    (name.to_owned(), end - hub.now.as_second(), usage)
}

/// Who signed the agent's certificate: the authority's name.
fn issuer(hub: &Hub) -> String {
    let ByteString(pem) = request(hub).status.unwrap().certificate.unwrap();
    let der = CertificateDer::from_pem_slice(&pem).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    parsed.issuer().to_string()
}

#[test]
fn a_name_that_leads_to_the_operators_gateway() {
    let hub = hub("Managed", &hostname());
    let deployment = own(&hub, Kind::Deployment, SERVER).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let gateway = &pod["containers"][0];
    let row = hub
        .observed
        .object(&row_key(CLUSTER, Addon::Gateway))
        .unwrap();
    let mut registrations = row.data["status"]["registrations"].clone();
    let units = registrations[1]["customSigner"]["subject"]["organizationUnits"].take();
    assert_eq!(units, json!([unit(&hub)]));
    let mut manifests = work(&hub);
    let agent = manifests.pop().unwrap();
    let mut authority = manifests.pop().unwrap();
    let bundle = authority["data"]["ca.crt"].take();
    assert_eq!(bundle, secret(&hub, "spokeway-gateway-ca", "ca.crt"));
    let agent = &agent["spec"]["template"]["spec"];
    insta::assert_json_snapshot!(json!({
        "gateway": {
            "args": gateway["args"], "ports": gateway["ports"], "mounts": gateway["volumeMounts"],
            "volumes": pod["volumes"], "service": own(&hub, Kind::Service, SERVICE).unwrap()["spec"],
        },
        "registrations": registrations,
        "authority": authority,
        "agent": {
            "args": agent["containers"][0]["args"],
            "mounts": agent["containers"][0]["volumeMounts"],
            "volumes": agent["volumes"],
        },
    }));
    assert_eq!(own(&hub, Kind::Service, TUNNEL_SERVICE), None);
}

/// The names in the gateway's certificate.
fn names(hub: &Hub) -> Vec<String> {
    let der = CertificateDer::from_pem_slice(secret(hub, SERVING, "tls.crt").as_bytes()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap().value;
    let names = names.general_names.iter().map(ToString::to_string);
    names.collect()
}

#[test]
fn the_gateways_certificate_names_what_callers_dial_who_come_straight() {
    let mut hub = hub("Managed", &hostname());
    let named = |hub: &Hub| names(hub).contains(&"DNSName(direct.example.com)".to_owned());
    for enabled in [true, false] {
        let direct = json!({"enabled": enabled, "hostname": "direct.example.com"});
        hub.configure(&json!({"server": {"deployment": "Managed", "directAccess": direct}}));
        hub.settle();
        assert_eq!(named(&hub), enabled);
    }
}

#[test]
fn the_gateways_certificate_names_what_agents_dial() {
    let mut hub = hub("Managed", &hostname());
    assert!(
        names(&hub).contains(&"DNSName(gateway.example.com)".to_owned()),
        "{:?}",
        names(&hub)
    );
    configure(&mut hub, "Managed", &load_balancer());
    assert!(!names(&hub).contains(&"DNSName(gateway.example.com)".to_owned()));
    address(
        &mut hub,
        &json!([{"ip": ADDRESS}, {"hostname": "lb.example.com"}, {"ip": "2001:db8::7"}]),
    );
    let all = names(&hub).join(" ");
    for name in [
        "IPAddress(cb:00:71:07)",
        "DNSName(lb.example.com)",
        "IPAddress(20:01:0d:b8:",
    ] {
        assert!(all.contains(name), "{all}");
    }
}

#[test]
fn agents_stay_at_the_hub_until_the_load_balancer_has_an_address() {
    let plain = hub("Managed", &json!({"type": "HubAPI"}));
    let mut hub = hub("Managed", &load_balancer());
    assert_eq!(work(&hub), work(&plain));
    let (reason, message) = condition(&mut hub, "EntrypointReady");
    assert_eq!(reason, "EntrypointPending");
    for part in [
        "no address yet",
        "kubectl describe service -n spokeway-system spokeway-tunnel",
        "until then agents attach at the hub",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // Agents get their certificates while the address is pending.
    assert!(request(&hub).status.unwrap().certificate.is_some());
    let mut service = own(&hub, Kind::Service, TUNNEL_SERVICE).unwrap();
    insta::assert_json_snapshot!(service["spec"].take());
    let key = ObjectKey::new(Kind::Service, NAMESPACE, TUNNEL_SERVICE);
    let annotations = hub
        .observed
        .object(&key)
        .unwrap()
        .metadata
        .annotations
        .clone();
    assert_eq!(annotations.unwrap()["cloud/internal"], "true");

    for (ingress, dialled) in [
        (json!([{"ip": ADDRESS}]), "203.0.113.7:443"),
        (
            json!([{"hostname": "lb.example.com"}]),
            "lb.example.com:443",
        ),
        (json!([{"ip": "2001:DB8::7"}]), "[2001:db8::7]:443"),
    ] {
        address(&mut hub, &ingress);
        let (reason, message) = condition(&mut hub, "EntrypointReady");
        assert_eq!(
            (reason.as_str(), message),
            ("AsAsked", format!("agents attach at {dialled}"))
        );
        let flag = format!("--tunnel-address={dialled}");
        assert!(json!(work(&hub)).to_string().contains(&flag), "{flag}");
    }
    // If the address is lost, agents are not sent to it.
    address(&mut hub, &json!([]));
    assert_eq!(work(&hub), work(&plain));
}

#[test]
fn nothing_is_left_of_it_where_agents_attach_at_the_hub_again() {
    for server in ["Managed", "External"] {
        let plain = hub(server, &json!({"type": "HubAPI"})).portrait();
        let mut there = hub(server, &hostname());
        if server == "Managed" {
            configure(&mut there, server, &load_balancer());
            address(&mut there, &json!([{"ip": ADDRESS}]));
        }
        assert_ne!(there.portrait(), plain);
        configure(&mut there, server, &json!({"type": "HubAPI"}));
        let without = |mut portrait: Vec<Value>| {
            portrait.retain(|it| it["kind"] != "GatewayConfiguration");
            portrait
        };
        assert_eq!(
            without(there.portrait()).len(),
            without(plain.clone()).len()
        );
        for (found, wanted) in without(there.portrait()).iter().zip(&without(plain)) {
            assert_eq!(found.to_string(), wanted.to_string(), "{server}");
        }
    }
}

#[test]
fn no_tunnel_takes_no_entrance() {
    let mut hub = Hub::new(Version::V1beta1);
    hub.install();
    hub.accept(CLUSTER, &json!({}));
    hub.configure(&json!({
        "server": {"deployment": "Managed"},
        "egress": {"type": "Direct", "entrypoint": hostname()},
    }));
    hub.settle();
    let text = json!(hub.portrait()).to_string();
    assert!(
        !text.contains("--tunnel-port") && !text.contains("customSigner"),
        "{text}"
    );
    assert_eq!(own(&hub, Kind::Secret, TUNNEL_AUTHORITY), None);
}
