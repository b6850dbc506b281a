//! Where a camera says that its services are, put right: it may name an address of another network,
//! of its factory, or none. What is dialled is always the host that the configuration names, so no
//! answer can send us elsewhere.

use url::{Host, Url};

use crate::source::Address;

/// The address of a service, reached as the dialled one was.
pub(super) fn http(said: &str, dialled: &Address) -> Option<Address> {
    let said = Url::parse(said).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let mut url = dialled.url().clone();
    if keeps_port(&said, dialled.url()) {
        url.set_port(said.port()).ok()?;
    }
    url.set_path(said.path());
    url.set_query(said.query());
    url.set_fragment(None);
    Address::http(url.as_str()).ok()
}

/// The address of a stream: its port is the camera's to say. User and password in it are dropped.
pub(super) fn rtsp(said: &str, dialled: &Address) -> Option<Address> {
    let mut url = Url::parse(said).ok().filter(|url| url.scheme() == "rtsp")?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_host(dialled.url().host_str()).ok()?;
    Address::rtsp(url.as_str()).ok()
}

/// The port counts where the host is right or unknown to the camera. With another host it is that
/// of another network, from which ours is mapped.
fn keeps_port(said: &Url, dialled: &Url) -> bool {
    let unknown = match said.host() {
        Some(Host::Ipv4(ip)) => ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    };
    // Nor do we speak TLS to its port.
    said.scheme() == "http" && (unknown || said.host() == dialled.host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_host_is_replaced_and_its_port_only_kept_where_it_means_something() {
        let dialled = Address::http("http://10.0.0.7:8080/onvif/device_service").unwrap();
        for (said, right) in [
            ("http://0.0.0.0:9000/onvif/media", "http://10.0.0.7:9000/onvif/media"),
            ("http://10.0.0.7:9000/onvif/media", "http://10.0.0.7:9000/onvif/media"),
            ("http://10.0.0.7/onvif/media", "http://10.0.0.7/onvif/media"),
            ("http://192.168.1.64/onvif/media", "http://10.0.0.7:8080/onvif/media"),
            ("http://evil.example/a?Idx=1", "http://10.0.0.7:8080/a?Idx=1"),
            ("https://10.0.0.7/onvif/media", "http://10.0.0.7:8080/onvif/media"),
            ("http://a:b@10.0.0.7:81/m", "http://10.0.0.7:81/m"),
        ] {
            assert_eq!(http(said, &dialled).unwrap().url().as_str(), right, "{said}");
        }
        for wrong in ["", "ftp://10.0.0.7/", "/onvif/media", "http://"] {
            assert!(http(wrong, &dialled).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_stream_keeps_its_port_and_loses_its_password() {
        let dialled = Address::http("http://10.0.0.7:8080/onvif/device_service").unwrap();
        let stream = rtsp("rtsp://admin:pw@0.0.0.0:8554/live?x=1", &dialled).unwrap();
        assert_eq!(stream.url().as_str(), "rtsp://10.0.0.7:8554/live?x=1");
        assert!(rtsp("http://10.0.0.7/", &dialled).is_none());
    }
}
