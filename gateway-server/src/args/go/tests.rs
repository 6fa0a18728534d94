use clap::Parser as _;
use crds::gateway::Fallback;

use crate::{
    CertificateFiles, Settings,
    args::{Args, SettingsError},
};

fn settings(arguments: &[&str]) -> Result<Settings, SettingsError> {
    let all = ["gateway-server"].iter().chain(arguments);
    Settings::try_from(Args::try_parse_from(all).unwrap_or_else(|error| panic!("{error}")))
}

/// The flags that have no effect.
fn ignored(settings: &Settings) -> Vec<&str> {
    settings
        .ignored
        .iter()
        .map(|(flag, _)| flag.as_str())
        .collect()
}

fn fault(arguments: &[&str]) -> String {
    let settings = settings(arguments);
    settings
        .err()
        .unwrap_or_else(|| panic!("{arguments:?}"))
        .to_string()
}

#[test]
fn the_chart_of_cluster_gateway_starts_ours() {
    let settings = settings(&[
        "--secure-port=9443",
        "--secret-namespace=open-cluster-management-credentials",
        "--feature-gates=",
    ])
    .unwrap();
    assert_eq!(settings.address.port(), 9443);
    assert_eq!(
        settings.secret_namespace,
        "open-cluster-management-credentials"
    );
    assert_eq!(settings.certificate, None);
    // As there, unless a feature gate says otherwise.
    assert!(settings.identities.is_none());
    assert!(ignored(&settings).is_empty());
}

#[test]
fn so_does_it_with_all_of_its_values_set() {
    let settings = settings(&[
        "--secure-port=9443",
        "--secret-namespace=open-cluster-management-credentials",
        "--ocm-integration=true",
        "--proxy-host=proxy-entrypoint.open-cluster-management-cluster-proxy",
        "--proxy-port=8090",
        "--proxy-ca-cert=/etc/ca/ca.crt",
        "--proxy-cert=/etc/tls/tls.crt",
        "--proxy-key=/etc/tls/tls.key",
        "--feature-gates=HealthinessCheck=true,SecretCache=true,",
    ])
    .unwrap();
    assert!(settings.identities.is_none());
    let wanted = [
        "--ocm-integration",
        "--proxy-host",
        "--proxy-port",
        "--proxy-ca-cert",
        "--proxy-cert",
        "--proxy-key",
    ];
    assert_eq!(ignored(&settings), wanted);
}

#[test]
fn the_deployment_of_its_addon_manager_starts_ours() {
    let settings = settings(&[
        "--secure-port=9443",
        "--secret-namespace=open-cluster-management-credentials",
        "--ocm-integration=true",
        "--tls-cert-file=/etc/server/tls.crt",
        "--tls-private-key-file=/etc/server/tls.key",
        "--feature-gates=HealthinessCheck=true,SecretCache=true",
    ])
    .unwrap();
    let files = CertificateFiles {
        certificate: "/etc/server/tls.crt".into(),
        private_key: "/etc/server/tls.key".into(),
    };
    assert_eq!(settings.certificate, Some(files));
    assert_eq!(ignored(&settings), ["--ocm-integration"]);
}

const KUBEVELA: [&str; 3] = [
    "apiserver",
    "--secure-port=9443",
    "--secret-namespace=vela-system",
];

#[test]
fn the_chart_of_kubevela_starts_ours() {
    let rest = [
        "--feature-gates=APIPriorityAndFairness=false,ClientIdentityPenetration=false",
        "--cluster-gateway-proxy-config=/etc/proxy-config/config.yaml",
        "--tls-cert-file=/etc/k8s-cluster-gateway-certs/tls.crt",
        "--tls-private-key-file=/etc/k8s-cluster-gateway-certs/tls.key",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
    ];
    let settings = settings(&[&KUBEVELA[..], &rest].concat()).unwrap();
    assert!(settings.identities.is_none());
    let wanted = [
        "--cluster-gateway-proxy-config",
        "--authorization-always-allow-paths",
        "--feature-gates=APIPriorityAndFairness=false",
    ];
    assert_eq!(ignored(&settings), wanted);
    assert!(
        settings
            .ignored
            .iter()
            .all(|(_, instead)| !instead.is_empty())
    );
}

#[test]
fn an_older_chart_of_kubevela_does_too() {
    let rest = [
        "--feature-gates=APIPriorityAndFairness=false",
        "--cert-dir=/etc/k8s-cluster-gateway-certs",
    ];
    let settings = settings(&[&KUBEVELA[..], &rest].concat()).unwrap();
    let files = CertificateFiles {
        certificate: "/etc/k8s-cluster-gateway-certs/apiserver.crt".into(),
        private_key: "/etc/k8s-cluster-gateway-certs/apiserver.key".into(),
    };
    assert_eq!(settings.certificate, Some(files));
}

#[test]
fn who_asked_that_callers_act_as_themselves_gets_no_exception() {
    let on = "--feature-gates=ClientIdentityPenetration=true";
    for gates in [on, "--feature-gates=AllAlpha=true"] {
        let identities = settings(&[gates]).unwrap().identities.unwrap();
        assert_eq!(identities.fallback, Fallback::Deny, "{gates}");
    }
    let asked = settings(&[on, "--fallback=account"]).unwrap();
    assert_eq!(asked.identities.unwrap().fallback, Fallback::Account);
    assert!(fault(&[on, "--identity=service-account"]).contains("contradict"));
    let off = "--feature-gates=ClientIdentityPenetration=false";
    assert!(fault(&[off, "--identity=impersonate"]).contains("contradict"));
    let gate = settings(&["--feature-gates=", "--identity=impersonate"]).unwrap();
    assert_eq!(gate.identities.unwrap().fallback, Fallback::Auto);
    let ours = settings(&[]).unwrap();
    assert_eq!(ours.identities.unwrap().fallback, Fallback::Auto);
}

#[test]
fn a_restriction_that_cannot_be_kept_stops_the_start() {
    for flag in [
        "--authentication-skip-lookup=1",
        "--requestheader-client-ca-file=/ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--authorization-webhook-cache-authorized-ttl=1s",
        "--authorization-webhook-cache-authorized-ttl=0",
        "--authorization-always-allow-paths=/metrics",
        "--disable-http2-serving",
        "--egress-selector-config-file=/egress.yaml",
        "--audit-webhook-config-file=/audit.yaml",
        "--audit-log-mode=blocking-strict",
        "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "--authorization-kubeconfig=/other",
        "--authentication-kubeconfig=/other",
    ] {
        let name = flag.split_once('=').map_or(flag, |(name, _)| name);
        assert!(fault(&[flag, "--kubeconfig=/hub"]).contains(name), "{flag}");
    }
    // All of them are told at once.
    let fault = fault(&["--authentication-skip-lookup", "--disable-http2-serving"]);
    assert!(
        fault.contains("skip-lookup") && fault.contains("HTTP/2"),
        "{fault}"
    );
}

#[test]
fn the_inner_request_is_authorized_under_the_name_of_the_go_program_too() {
    for (flag, on) in [
        ("--authorize-proxy-subpath", true),
        ("--authorize-proxy-subpath=true", true),
        ("--authorize-proxy-subpath=false", false),
        ("--inner-authorization", true),
    ] {
        assert_eq!(settings(&[flag]).unwrap().inner_authorization, on, "{flag}");
    }
}

#[test]
fn one_that_is_kept_or_switched_off_does_not() {
    let kept = settings(&[
        "--authentication-skip-lookup=False",
        "--authorization-webhook-cache-authorized-ttl=10s",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez",
        "--disable-http2-serving=false",
        "--profiling=false",
        "--audit-log-mode=batch",
        "--audit-log-format=json",
        "--kubeconfig=/hub",
        "--authorization-kubeconfig=/hub",
        "--authentication-kubeconfig=/hub",
    ])
    .unwrap();
    assert!(ignored(&kept).is_empty(), "{:?}", kept.ignored);
    assert!(!kept.only_tls_13);
    let longer = settings(&["--authorization-webhook-cache-authorized-ttl", "5m0s"]).unwrap();
    assert_eq!(
        ignored(&longer),
        ["--authorization-webhook-cache-authorized-ttl"]
    );
    assert!(
        settings(&["--tls-min-version=VersionTLS13"])
            .unwrap()
            .only_tls_13
    );
    let suites = "TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,\
         TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,\
         TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,\
         TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    let suites = settings(&["--tls-cipher-suites", suites]).unwrap();
    assert_eq!(ignored(&suites), ["--tls-cipher-suites"]);
}

#[test]
fn the_level_of_klog_is_one_of_ours() {
    let filter = |arguments: &[&str]| settings(arguments).unwrap().log_filter;
    assert_eq!(
        filter(&["-v=2", "--vmodule=proxy*=9", "--logtostderr"]),
        "info"
    );
    for loud in [["-v=4"].as_slice(), &["-v", "8"], &["--v=5"]] {
        assert!(filter(loud).contains("gateway_server=debug"), "{loud:?}");
    }
    assert_eq!(filter(&["-v=9", "--log=warn"]), "warn");
}

#[test]
fn what_the_go_program_does_not_take_is_refused() {
    for wrong in [
        "apisever",
        "--feature-gates=HealthinessCheck",
        "--feature-gates=SecretCache=yes",
        "--ocm-integration=perhaps",
        "--tls-min-version=VersionTLS14",
        "--no-such-flag",
    ] {
        let parsed = Args::try_parse_from(["gateway-server", wrong]);
        assert!(parsed.is_err(), "{wrong}");
    }
}
