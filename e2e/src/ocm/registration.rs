//! The identity of an add-on's agent at the hub, and the check of its certificate requests. Nobody
//! approves the requests of an add-on without a manager, so the harness does, as strictly as an
//! operator must.

use std::collections::BTreeSet;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use rustls::pki_types::{CertificateSigningRequestDer, pem::PemObject as _};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    prelude::{AttributeTypeAndValue, FromDer as _},
};

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const USAGES: [&str; 3] = ["client auth", "digital signature", "key encipherment"];

/// The agent of an add-on on one cluster, with the names that an add-on manager gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddonIdentity {
    /// The managed cluster.
    pub cluster: String,
    /// The add-on.
    pub addon: String,
    /// The agent's own name.
    pub agent: String,
}

/// Why a request is not that of the agent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the certificate request is not the add-on agent's: its {0} differs")]
pub struct Unfit(&'static str);

impl AddonIdentity {
    /// Its user name at the hub.
    pub fn user(&self) -> String {
        format!("{}:agent:{}", self.own_group(), self.agent)
    }

    /// Its groups at the hub.
    pub fn groups(&self) -> [String; 3] {
        let of_addon = format!("system:open-cluster-management:addon:{}", self.addon);
        [
            self.own_group(),
            of_addon,
            "system:authenticated".to_owned(),
        ]
    }

    fn own_group(&self) -> String {
        let Self { cluster, addon, .. } = self;
        format!("system:open-cluster-management:cluster:{cluster}:addon:{addon}")
    }

    /// Checks that `request`, which the cluster's registration agent of that name made, asks for
    /// this identity and nothing else.
    pub fn fits(
        &self,
        request: &CertificateSigningRequest,
        registration_agent: &str,
    ) -> Result<(), Unfit> {
        let spec = &request.spec;
        let requester = format!(
            "system:open-cluster-management:{}:{registration_agent}",
            self.cluster
        );
        expect("requester", spec.username.as_deref() == Some(&*requester))?;
        expect("signer", spec.signer_name == SIGNER)?;
        let usages = spec.usages.iter().flatten().map(String::as_str);
        let usages: BTreeSet<_> = usages.collect();
        let known = usages.iter().all(|usage| USAGES.contains(usage));
        expect("usages", known && usages.contains("client auth"))?;
        let der = CertificateSigningRequestDer::from_pem_slice(&spec.request.0);
        let der = der.map_err(|_| Unfit("encoding"))?;
        let (_, parsed) =
            X509CertificationRequest::from_der(&der).map_err(|_| Unfit("encoding"))?;
        self.subject_fits(&parsed)?;
        self.names_fit(&parsed)
    }

    fn subject_fits(&self, request: &X509CertificationRequest<'_>) -> Result<(), Unfit> {
        let subject = &request.certification_request_info.subject;
        let names: Vec<_> = subject
            .iter_common_name()
            .map(AttributeTypeAndValue::as_str)
            .collect();
        expect("common name", names == [Ok(&*self.user())])?;
        let groups = subject
            .iter_organization()
            .filter_map(|it| it.as_str().ok());
        let groups: Vec<_> = groups.collect();
        let wanted = self.groups();
        let wanted: BTreeSet<_> = wanted.iter().map(String::as_str).collect();
        let as_many = groups.len() == wanted.len();
        let same = groups.iter().copied().collect::<BTreeSet<_>>() == wanted;
        expect("organizations", as_many && same)?;
        expect(
            "subject",
            subject.iter_attributes().count() == 1 + wanted.len(),
        )
    }

    fn names_fit(&self, request: &X509CertificationRequest<'_>) -> Result<(), Unfit> {
        let own = format!("{}.addon.open-cluster-management.io", self.addon);
        let fits = |extension: &ParsedExtension<'_>| match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                let is_own = |name: &GeneralName<'_>| *name == GeneralName::DNSName(&own);
                names.general_names.iter().all(is_own)
            }
            _ => false,
        };
        let mut extensions = request.requested_extensions().into_iter().flatten();
        expect("extensions", extensions.all(fits))
    }
}

fn expect(what: &'static str, holds: bool) -> Result<(), Unfit> {
    if holds { Ok(()) } else { Err(Unfit(what)) }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    const OWN: &str = include_str!("requests/own.csr");

    fn identity() -> AddonIdentity {
        AddonIdentity {
            cluster: "managed1".to_owned(),
            addon: "spokeway".to_owned(),
            agent: "agent".to_owned(),
        }
    }

    fn request(pem: &str) -> CertificateSigningRequest {
        let mut csr = CertificateSigningRequest::default();
        csr.spec.request = ByteString(pem.as_bytes().to_vec());
        csr.spec.signer_name = SIGNER.to_owned();
        csr.spec.usages = Some(USAGES.map(str::to_owned).to_vec());
        csr.spec.username = Some("system:open-cluster-management:managed1:e2e".to_owned());
        csr
    }

    #[test]
    fn the_agents_own_request_fits() {
        assert_eq!(identity().fits(&request(OWN), "e2e"), Ok(()));
    }

    #[test]
    fn what_asks_for_anything_else_does_not() {
        let texts = [
            ("common name", include_str!("requests/other-user.csr")),
            ("organizations", include_str!("requests/more-groups.csr")),
            ("extensions", include_str!("requests/more-names.csr")),
            ("encoding", "no request"),
        ];
        for (what, pem) in texts {
            assert_eq!(identity().fits(&request(pem), "e2e"), Err(Unfit(what)));
        }
    }

    #[test]
    fn who_asks_for_it_and_what_for_count_too() {
        type Change = fn(&mut CertificateSigningRequest);
        let changes: [(&str, Change); 5] = [
            ("requester", |it| {
                it.spec.username = Some("system:open-cluster-management:managed12:e2e".to_owned());
            }),
            ("requester", |it| it.spec.username = None),
            ("signer", |it| {
                it.spec.signer_name = "example.com/other".to_owned();
            }),
            ("usages", |it| {
                it.spec.usages = Some(vec!["server auth".to_owned()]);
            }),
            ("usages", |it| it.spec.usages = None),
        ];
        for (what, change) in changes {
            let mut csr = request(OWN);
            change(&mut csr);
            assert_eq!(identity().fits(&csr, "e2e"), Err(Unfit(what)));
        }
    }
}
