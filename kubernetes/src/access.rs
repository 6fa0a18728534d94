//! Access to one API server: its address, a credential, and the way there. A kubeconfig means what it
//! means to kubectl, also where the client of kube reads it differently: proxies and their exemptions,
//! the file of a token, and who is trusted.

mod connector;
mod kubeconfig;
mod token_file;

use std::{io, path::PathBuf};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::{client::legacy, rt::TokioExecutor};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, ConfigExt as _, retry::RetryPolicy},
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use runtime::{proxy::Proxies, trust};
use rustls::pki_types::CertificateDer;
use tower::{
    BoxError, ServiceBuilder, ServiceExt as _,
    retry::RetryLayer,
    util::{BoxService, MapRequestLayer},
};

use self::{connector::Connector, kubeconfig::Apart, token_file::TokenFile};

/// Access to one API server.
#[derive(Clone, Debug)]
pub struct Access {
    /// The address and the credential. Its proxy counts for nothing.
    pub config: Config,
    proxies: Proxies,
    token: Option<TokenFile>,
}

/// Why there is no access.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig is incomplete.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// This process does not run in a Pod.
    #[error(transparent)]
    InCluster(#[from] InClusterError),
    /// The authorities of the cluster are no PEM certificates.
    #[error("its certificate authority contains no usable PEM certificate")]
    Authority,
    /// The file of the token cannot be read.
    #[error("cannot read the token in {}: {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// What sends the requests of a client.
pub type Sender = BoxService<Request<Body>, Response<Incoming>, BoxError>;

impl Access {
    /// The API server of the cluster that this process runs in, as the Pod's service account. No
    /// proxy is on the way there, whatever the environment says.
    pub fn in_cluster() -> Result<Self, AccessError> {
        Self::new(Config::incluster()?, Proxies::never())
    }

    /// The API server of a context of a kubeconfig.
    pub async fn of_kubeconfig(
        mut kubeconfig: Kubeconfig,
        options: &KubeConfigOptions,
    ) -> Result<Self, AccessError> {
        let apart = Apart::take(&mut kubeconfig, options)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, options).await?;
        let proxies = apart.put_back(&mut config);
        Self::new(config, proxies)
    }

    /// The API server that `config` says, without a token from a file, and with no proxy on the way.
    pub fn direct(config: Config) -> Self {
        Self {
            config,
            proxies: Proxies::never(),
            token: None,
        }
    }

    fn new(mut config: Config, proxies: Proxies) -> Result<Self, AccessError> {
        config.proxy_url = None;
        let token = match config.auth_info.token_file.take().map(PathBuf::from) {
            None => None,
            Some(path) => match TokenFile::read(path.clone()) {
                Ok(token) => Some(token),
                // The token beside it counts until there is one in the file.
                Err(_) if config.auth_info.token.is_some() => Some(TokenFile::absent(path)),
                Err(source) => return Err(AccessError::Token { path, source }),
            },
        };
        Ok(Self {
            config,
            proxies,
            token,
        })
    }

    /// A client.
    pub fn client(self) -> kube::Result<Client> {
        Ok(self.builder()?.build())
    }

    /// A client that more layers can be added to.
    pub fn builder(self) -> kube::Result<ClientBuilder<Sender>> {
        let connector = TimeoutConnector::new(self.connector()?);
        let Self {
            config,
            proxies: _,
            token,
        } = self;
        let sender: legacy::Client<_, Body> =
            legacy::Client::builder(TokioExecutor::new()).build(within(connector, &config));
        let authorized = token.map(|token| {
            MapRequestLayer::new(move |mut request: Request<Body>| {
                token.authorize(request.headers_mut());
                request
            })
        });
        let retry = config
            .default_retry
            .then(|| RetryLayer::new(RetryPolicy::server_retry()));
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .option_layer(retry)
            .option_layer(config.auth_layer()?)
            .option_layer(authorized)
            .layer(config.extra_headers_layer()?)
            .map_err(BoxError::from)
            .service(sender);
        Ok(ClientBuilder::new(
            service.boxed(),
            config.default_namespace,
        ))
    }

    fn connector(&self) -> kube::Result<hyper_rustls::HttpsConnector<Connector>> {
        let config = &self.config;
        let mut tls = config.rustls_client_config()?;
        // The authority of a Pod's own cluster is followed by kube, and is always a CA.
        if let Some(roots) = &config.root_cert
            && config.root_cert_file.is_none()
            && !config.accept_invalid_certs
        {
            let roots = roots.iter().cloned().map(CertificateDer::from).collect();
            tls.dangerous()
                .set_certificate_verifier(trust::verifier(roots));
        }
        let mut builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        if let Some(name) = config.tls_server_name.clone() {
            let name = name
                .try_into()
                .map_err(kube::client::RustlsTlsError::InvalidServerName)
                .map_err(kube::Error::RustlsTls)?;
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        Ok(builder
            .enable_http1()
            .wrap_connector(Connector::new(self.proxies.clone())))
    }
}

fn within<C>(mut connector: TimeoutConnector<C>, config: &Config) -> TimeoutConnector<C> {
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    connector
}

#[cfg(test)]
mod tests;
