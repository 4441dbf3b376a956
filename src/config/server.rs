//! The `server` block.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ::url::Url;

use super::Place;
use super::faults::Fault;
use super::fields::{self, Faults, Fields};
use super::load::Context;
use super::located::Node;
use super::model::{Identity, Role, Server, Tls, Token};
use super::secret;

/// Tokens shorter than this are guessable, and refused.
pub const TOKEN_CHARACTERS: usize = 32;

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8321),
            webhook_listen: None,
            health_listen: None,
            public_url: None,
            tls: None,
            behind_proxy: Vec::new(),
            tokens: Vec::new(),
            identity: None,
            edit_rules: false,
            edit_config: false,
        }
    }
}

pub(super) fn read(node: &Node, context: &Context, faults: &mut Faults) -> Option<Server> {
    let defaults = Server::default();
    let mut map = Fields::of("server", node, faults)?;
    let server = Server {
        listen: map.read("listen", defaults.listen, faults, address),
        webhook_listen: map.optional("webhook_listen", faults, address),
        health_listen: map.optional("health_listen", faults, address),
        public_url: map.optional("public_url", faults, public_url),
        tls: map.optional("tls", faults, |node, faults| tls(node, context, faults)),
        behind_proxy: map.read("behind_proxy", Vec::new(), faults, |node, faults| fields::list(node, faults, network)),
        tokens: map.read("tokens", Vec::new(), faults, |node, faults| tokens(node, context, faults)),
        identity: map.optional("identity", faults, identity),
        edit_rules: map.read("edit_rules", false, faults, fields::boolean),
        edit_config: map.read("edit_config", false, faults, fields::boolean),
    };
    if server.identity.is_some() && server.behind_proxy.is_empty() {
        let fault =
            Fault::of(node.get("identity").unwrap_or(node), "`identity` is believed only from `behind_proxy` peers");
        faults.push(fault.mend("name the proxy's network in `behind_proxy`"));
    }
    map.finish(faults);
    Some(server)
}

/// Beyond loopback, whoever reaches the port must be known.
pub(super) fn check_exposure(server: &Server, faults: &mut Faults) {
    if server.listen.ip().is_loopback() {
        return;
    }
    let what = format!("listening on {} lets other machines reach the API", server.listen);
    let mend = "listen on 127.0.0.1, or name tokens in `server.tokens`, and a certificate in `server.tls` or the proxy in \
                `server.behind_proxy`";
    if server.tokens.is_empty() {
        faults.push(Fault::nowhere(what).because("without tokens anybody could use it").mend(mend));
    } else if server.tls.is_none() && server.behind_proxy.is_empty() {
        faults.push(Fault::nowhere(what).because("tokens would cross the network in the clear").mend(mend));
    }
}

fn address(node: &Node, faults: &mut Faults) -> Option<SocketAddr> {
    fields::parsed(node, "an address and a port", "`127.0.0.1:8321`", faults)
}

fn public_url(node: &Node, faults: &mut Faults) -> Option<Url> {
    let url: Url = fields::parsed(node, "a URL", "`https://catalog-sync.acme.dev/`", faults)?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        faults.push(Fault::of(node, "this is not an http or https URL"));
        return None;
    }
    Some(url)
}

fn tls(node: &Node, context: &Context, faults: &mut Faults) -> Option<Tls> {
    let mut map = Fields::of("tls block", node, faults)?;
    let certificate = map.need("certificate", "name a PEM file", faults).and_then(|node| context.path(node, faults));
    let key = map.need("key", "name a PEM file", faults).and_then(|node| context.path(node, faults));
    map.finish(faults);
    Some(Tls { certificate: certificate?, key: key? })
}

/// `10.0.0.0/8`, or one address.
fn network(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    let (address, prefix) = text.split_once('/').map_or((text.as_str(), None), |(a, p)| (a, Some(p)));
    let fits = address.parse::<IpAddr>().is_ok_and(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most))
    });
    if !fits {
        let fault = Fault::of(node, format!("`{}` is not a network", fields::cut(&text)));
        faults.push(fault.mend("write it like `10.0.0.0/8` or `10.1.2.3`"));
        return None;
    }
    Some(text)
}

fn tokens(node: &Node, context: &Context, faults: &mut Faults) -> Option<Vec<Token>> {
    let tokens = fields::list(node, faults, |node, faults| token(node, context, faults))?;
    for (index, token) in tokens.iter().enumerate() {
        if tokens[..index].iter().any(|other| other.name == token.name) {
            let fault = Fault::at(token.token.place, 1, format!("two tokens are named `{}`", token.name));
            faults.push(fault.because("the name tells in history who did something").mend("rename one of them"));
        }
    }
    Some(tokens)
}

fn token(node: &Node, context: &Context, faults: &mut Faults) -> Option<Token> {
    let mut map = Fields::of("token", node, faults)?;
    let name = map.need("name", "name it: it appears in history and audit", faults);
    let name = name.and_then(|node| fields::name(node, faults));
    let role = map.need("role", "say `view` or `edit`", faults);
    let role = role.and_then(|node| fields::one_of(node, &[("view", Role::View), ("edit", Role::Edit)], faults));
    let integrations =
        map.read("integrations", vec!["*".to_owned()], faults, |node, faults| fields::list(node, faults, glob));
    let token = map.need("token", "write `token: { env: NAME }`", faults);
    let token = token.and_then(|node| secret::read(node, context, faults));
    map.finish(faults);
    let (name, token) = (name?, token?);
    if let secret::SecretFrom::Plain(value) = &token.from {
        use secrecy::ExposeSecret as _;
        if value.expose_secret().chars().count() < TOKEN_CHARACTERS {
            faults.push(short_token(&name, token.place));
        }
    }
    Some(Token { name, role: role?, integrations, token })
}

/// A name or a glob.
fn glob(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    if let Err(error) = globset::Glob::new(&text) {
        let what = format!("`{}` is not a glob: {}", fields::cut(&text), error.kind());
        faults.push(Fault::of(node, what).mend("write a name, or a glob like `team-*`"));
        return None;
    }
    Some(text)
}

pub(super) fn short_token(name: &str, place: Place) -> Fault {
    Fault::at(place, 1, format!("the token `{name}` is shorter than {TOKEN_CHARACTERS} characters"))
        .because("short tokens can be guessed")
        .mend("make one with `openssl rand -hex 32`")
}

fn identity(node: &Node, faults: &mut Faults) -> Option<Identity> {
    let mut map = Fields::of("identity block", node, faults)?;
    let user_header = map.need("user_header", "for example `X-Forwarded-User`", faults);
    let user_header = user_header.and_then(|node| header(node, faults));
    let groups_header = map.optional("groups_header", faults, header);
    let edit_groups = map.read("edit_groups", Vec::new(), faults, fields::texts);
    map.finish(faults);
    Some(Identity { user_header: user_header?, groups_header, edit_groups })
}

fn header(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Some(text);
    }
    faults.push(Fault::of(node, format!("`{}` is not the name of a header", fields::cut(&text))));
    None
}
