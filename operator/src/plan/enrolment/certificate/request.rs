//! Checks that a certificate request asks for one agent's name and nothing else, and comes from
//! that agent's cluster.

use std::collections::BTreeSet;

use crds::addon::Subject;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestSpec,
};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject as _};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    prelude::{AttributeTypeAndValue, FromDer as _},
};

const USAGES: [&str; 3] = ["client auth", "digital signature", "key encipherment"];
const ALL_CLUSTERS: &str = "system:open-cluster-management:managed-clusters";

/// An agent that may have a certificate, and what its request must contain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    pub(super) cluster: &'a str,
    pub(super) addon: &'a str,
    /// The required signer name.
    pub(super) signer: &'a str,
    pub(super) subject: &'a Subject,
    pub(super) unit: Option<&'a str>,
}

/// Why a request is not the agent's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the certificate request does not match the cluster's agent: its {0} differs")]
pub(super) struct Unfit(&'static str);

impl Identity<'_> {
    pub(super) fn fits(&self, request: &CertificateSigningRequest) -> Result<(), Unfit> {
        let spec = &request.spec;
        self.requester_fits(spec)?;
        expect("signer", spec.signer_name == self.signer)?;
        let usages: BTreeSet<_> = spec.usages.iter().flatten().map(String::as_str).collect();
        let known = usages.iter().all(|usage| USAGES.contains(usage));
        expect("usages", known && usages.contains("client auth"))?;
        let der = CertificateSigningRequestDer::from_pem_slice(&spec.request.0)
            .map_err(|_| Unfit("encoding"))?;
        let (rest, parsed) =
            X509CertificationRequest::from_der(&der).map_err(|_| Unfit("encoding"))?;
        expect("encoding", rest.is_empty())?;
        self.subject_fits(&parsed)?;
        self.names_fit(&parsed)
    }

    /// The requester must be the cluster's own registration agent: a user of the hub whose name
    /// starts with that of the cluster, whatever its last part, in the groups that its certificate
    /// gives it.
    fn requester_fits(&self, spec: &CertificateSigningRequestSpec) -> Result<(), Unfit> {
        let cluster = format!("system:open-cluster-management:{}", self.cluster);
        let user = spec.username.as_deref().unwrap_or_default();
        let agent = user
            .strip_prefix(&cluster)
            .and_then(|rest| rest.strip_prefix(':'));
        expect(
            "requester",
            agent.is_some_and(|it| !it.is_empty() && !it.contains(':')),
        )?;
        let groups = spec.groups.as_deref().unwrap_or_default();
        let has = |group: &str| groups.iter().any(|own| own == group);
        expect("requester", has(&cluster) && has(ALL_CLUSTERS))
    }

    fn subject_fits(&self, request: &X509CertificationRequest<'_>) -> Result<(), Unfit> {
        let subject = &request.certification_request_info.subject;
        let names: Vec<_> = subject
            .iter_common_name()
            .map(AttributeTypeAndValue::as_str)
            .collect();
        expect("common name", names == [Ok(self.subject.user.as_str())])?;
        let groups: Vec<_> = subject
            .iter_organization()
            .filter_map(|it| it.as_str().ok())
            .collect();
        let wanted: BTreeSet<_> = self.subject.groups.iter().map(String::as_str).collect();
        let as_many = groups.len() == wanted.len();
        let same = groups.iter().copied().collect::<BTreeSet<_>>() == wanted;
        expect("organizations", as_many && same)?;
        let units: Vec<_> = subject
            .iter_organizational_unit()
            .map(AttributeTypeAndValue::as_str)
            .collect();
        let unit: Vec<_> = self.unit.into_iter().map(Ok).collect();
        expect("organizational unit", units == unit)?;
        let attributes = subject.iter_attributes().count();
        expect("subject", attributes == 1 + wanted.len() + unit.len())
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

/// Tests a request in DER from an agent of `managed1`. See [`crate::fuzz`].
pub(crate) fn fuzz(der: &[u8]) {
    let cluster = "system:open-cluster-management:managed1";
    let subject = Subject {
        user: format!("{cluster}:agent"),
        groups: vec![cluster.to_owned()],
    };
    let identity = Identity {
        cluster: "managed1",
        addon: "cluster-gateway",
        signer: "signer",
        subject: &subject,
        unit: None,
    };
    let Ok((_, request)) = X509CertificationRequest::from_der(der) else {
        return;
    };
    if identity.subject_fits(&request).is_ok() && identity.names_fit(&request).is_ok() {
        let contains = |name: &str| der.windows(name.len()).any(|it| it == name.as_bytes());
        assert!(contains(&subject.user) && contains(cluster));
    }
}

fn expect(what: &'static str, holds: bool) -> Result<(), Unfit> {
    if holds { Ok(()) } else { Err(Unfit(what)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use crds::addon::CLIENT_SIGNER;
    use k8s_openapi::ByteString;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::{super::super::registration::subject as subject_of, *};

    /// A request as a cluster's registration agent makes it.
    pub(crate) fn request_of(cluster: &str, pem: String) -> CertificateSigningRequest {
        let own = format!("system:open-cluster-management:{cluster}");
        let mut csr = CertificateSigningRequest::default();
        csr.spec.request = ByteString(pem.into_bytes());
        csr.spec.signer_name = CLIENT_SIGNER.to_owned();
        csr.spec.usages = Some(USAGES.map(str::to_owned).to_vec());
        csr.spec.username = Some(format!("{own}:agent-1"));
        csr.spec.groups = Some(vec![own, ALL_CLUSTERS.to_owned()]);
        csr
    }

    /// The names in a request.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Asked<'a> {
        /// At most one group is used, because rcgen cannot encode more.
        pub(crate) subject: &'a Subject,
        pub(crate) unit: Option<&'a str>,
        pub(crate) sans: &'a [&'a str],
    }

    impl<'a> Asked<'a> {
        /// A request with a subject and no other names.
        pub(crate) fn of(subject: &'a Subject) -> Self {
            Self {
                subject,
                unit: None,
                sans: &[],
            }
        }
    }

    /// A certificate request for these names.
    pub(crate) fn request(cluster: &str, asked: Asked<'_>) -> CertificateSigningRequest {
        let Asked {
            subject,
            unit,
            sans,
        } = asked;
        let sans: Vec<_> = sans.iter().map(|&san| san.to_owned()).collect();
        let mut parameters = CertificateParams::new(sans).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let name = &mut parameters.distinguished_name;
        name.push(DnType::CommonName, subject.user.as_str());
        for group in &subject.groups {
            name.push(DnType::OrganizationName, group.as_str());
        }
        if let Some(unit) = unit {
            name.push(DnType::OrganizationalUnitName, unit);
        }
        let key = KeyPair::generate().unwrap();
        let request = parameters.serialize_request(&key).unwrap();
        request_of(cluster, request.pem().unwrap())
    }

    const SAN: &str = "cluster-gateway.addon.open-cluster-management.io";

    fn subject() -> Subject {
        let mut subject = subject_of("managed1");
        subject.groups.truncate(1);
        subject
    }

    fn judge(change: impl FnOnce(&mut CertificateSigningRequest)) -> Result<(), Unfit> {
        let mut request = request(
            "managed1",
            Asked {
                sans: &[SAN],
                ..Asked::of(&subject())
            },
        );
        change(&mut request);
        fits(&request)
    }

    fn fits(request: &CertificateSigningRequest) -> Result<(), Unfit> {
        let identity = Identity {
            cluster: "managed1",
            addon: "cluster-gateway",
            signer: CLIENT_SIGNER,
            subject: &subject(),
            unit: None,
        };
        identity.fits(request)
    }

    #[test]
    fn the_agents_own_request_fits() {
        let whole = request_of("managed1", include_str!("requests/managed1.csr").to_owned());
        let identity = Identity {
            cluster: "managed1",
            addon: "cluster-gateway",
            signer: CLIENT_SIGNER,
            subject: &subject_of("managed1"),
            unit: None,
        };
        assert_eq!(identity.fits(&whole), Ok(()));
        assert_eq!(judge(|_| {}), Ok(()));
        assert_eq!(fits(&request("managed1", Asked::of(&subject()))), Ok(()));
    }

    #[test]
    fn whoever_asks_has_to_be_the_clusters_registration_agent() {
        for user in [
            "system:open-cluster-management:managed12:agent-1",
            "system:open-cluster-management:managed1",
            "system:open-cluster-management:managed1:",
            "system:open-cluster-management:managed1:a:b",
            "admin",
        ] {
            let judged = judge(|csr| csr.spec.username = Some(user.to_owned()));
            assert_eq!(judged, Err(Unfit("requester")), "{user}");
        }
        assert_eq!(
            judge(|csr| csr.spec.username = None),
            Err(Unfit("requester"))
        );
        assert_eq!(judge(|csr| csr.spec.groups = None), Err(Unfit("requester")));
    }

    #[test]
    fn what_it_is_for_counts() {
        let other = |csr: &mut CertificateSigningRequest| {
            csr.spec.signer_name = "example.com/other".to_owned();
        };
        assert_eq!(judge(other), Err(Unfit("signer")));
        for usages in [None, Some(vec![]), Some(vec!["client auth", "server auth"])] {
            let usages = usages.map(|all: Vec<&str>| all.into_iter().map(str::to_owned).collect());
            assert_eq!(judge(|csr| csr.spec.usages = usages), Err(Unfit("usages")));
        }
    }

    #[test]
    fn another_name_than_its_own_is_not_granted() {
        let of_other = subject_of("managed2");
        let other_user = Subject {
            user: of_other.user,
            ..subject()
        };
        let other_group = Subject {
            groups: vec!["system:masters".to_owned()],
            ..subject()
        };
        let no_group = Subject {
            groups: vec![],
            ..subject()
        };
        for (subject, what) in [
            (other_user, "common name"),
            (other_group, "organizations"),
            (no_group, "organizations"),
        ] {
            assert_eq!(
                fits(&request("managed1", Asked::of(&subject))),
                Err(Unfit(what))
            );
        }
        let more = request(
            "managed1",
            Asked {
                sans: &[SAN, "hub.example.com"],
                ..Asked::of(&subject())
            },
        );
        assert_eq!(fits(&more), Err(Unfit("extensions")));
        let unit = request(
            "managed1",
            Asked {
                unit: Some("unit"),
                ..Asked::of(&subject())
            },
        );
        assert_eq!(fits(&unit), Err(Unfit("organizational unit")));
        let torn = judge(|csr| csr.spec.request = ByteString(b"no request".to_vec()));
        assert_eq!(torn, Err(Unfit("encoding")));
    }
}
