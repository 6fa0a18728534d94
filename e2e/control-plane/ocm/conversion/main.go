// The conversion webhook of the add-on API: OCM's own conversions, served on loopback alone. OCM's
// `addon webhook-server` opens two fixed ports on every interface besides, so that two of them
// cannot run on one machine.
package main

import (
	"crypto/tls"
	"flag"
	"log"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"open-cluster-management.io/ocm/pkg/addon/webhook/v1alpha1"
	"open-cluster-management.io/ocm/pkg/addon/webhook/v1beta1"
	"open-cluster-management.io/ocm/pkg/common/options"
)

var (
	port = flag.Int("port", 0, "where to serve on loopback")
	// The directory holds `tls.crt` and `tls.key`.
	certDir = flag.String("certdir", "", "the serving certificate's directory")
)

var conversions = []options.WebhookInitializer{
	&v1alpha1.ManagedClusterAddOnWebhook{},
	&v1beta1.ManagedClusterAddOnWebhook{},
	&v1alpha1.ClusterManagementAddOnWebhook{},
	&v1beta1.ClusterManagementAddOnWebhook{},
}

func main() {
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := serve(); err != nil {
		log.Fatal(err)
	}
}

func serve() error {
	scheme := runtime.NewScheme()
	for _, install := range []func(*runtime.Scheme) error{v1alpha1.Install, v1beta1.Install} {
		if err := install(scheme); err != nil {
			return err
		}
	}
	// A conversion is a function of the object: no API server is ever asked.
	manager, err := ctrl.NewManager(&rest.Config{Host: "https://127.0.0.1:0"}, ctrl.Options{
		Scheme:                 scheme,
		HealthProbeBindAddress: "0",
		Metrics:                server.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{
			Host:    "127.0.0.1",
			Port:    *port,
			CertDir: *certDir,
			TLSOpts: []func(*tls.Config){func(config *tls.Config) { config.MinVersion = tls.VersionTLS12 }},
		}),
	})
	if err != nil {
		return err
	}
	for _, conversion := range conversions {
		if err := conversion.Init(manager); err != nil {
			return err
		}
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
