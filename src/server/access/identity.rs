//! Who somebody is by what a trusted proxy says, which has asked them: `server.identity`.

use std::net::IpAddr;

use axum::http::HeaderMap;

use super::peer::Proxies;
use crate::commands::caller::{Caller, Sees};
use crate::config::{Identity, Role};
use crate::error::escape_control;
use crate::store::KnownBy;

/// Longer names are none.
const NAME_CHARACTERS: usize = 200;

/// Whom the proxy names; `None`: nobody, or it is not a proxy we trust. A header that comes twice is not believed:
/// one of the two is the asker's own.
pub(super) fn told(
    identity: &Identity,
    proxies: &Proxies,
    peer: IpAddr,
    from: IpAddr,
    headers: &HeaderMap,
) -> Option<Caller> {
    if !proxies.has(peer.to_canonical()) {
        return None;
    }
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = std::str::from_utf8(values.next()?.as_bytes()).ok()?.trim();
        values.next().is_none().then_some(value)
    };
    let name = one(&identity.user_header)?;
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS {
        return None;
    }
    let groups = identity.groups_header.as_deref().and_then(one).unwrap_or_default();
    let may_edit = groups.split(',').any(|group| identity.edit_groups.iter().any(|edits| edits == group.trim()));
    let role = if may_edit { Role::Edit } else { Role::View };
    let name = escape_control(name);
    Some(Caller { name, known_by: KnownBy::Proxy, role, sees: Sees::Everything, from: Some(from) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, headers: &[(&str, &str)], expected: Option<(&str, Role)>) {
        let identity = Identity {
            user_header: "X-Forwarded-User".to_owned(),
            groups_header: Some("X-Forwarded-Groups".to_owned()),
            edit_groups: vec!["platform".to_owned()],
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            map.append(name, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let proxies = Proxies::new(&["10.0.0.0/8".to_owned()]);
        let peer = peer.parse().unwrap();
        let told = told(&identity, &proxies, peer, peer, &map);
        let told = told.as_ref().map(|caller| (caller.name.as_str(), caller.role));
        assert_eq!(told, expected, "{peer} {headers:?}");
    }

    // P7.4, security.md: identity headers count from a trusted proxy alone; groups decide who may edit.
    #[test]
    fn headers_are_believed_from_the_proxy_alone_p7_4() {
        let (user, groups) = ("x-forwarded-user", "x-forwarded-groups");
        check("192.0.2.7", &[(user, "eve"), (groups, "platform")], None);
        check("10.1.1.1", &[], None);
        check("10.1.1.1", &[(groups, "platform")], None);
        check("10.1.1.1", &[(user, "ann")], Some(("ann", Role::View)));
        check("::ffff:10.1.1.1", &[(user, "ann")], Some(("ann", Role::View)));
        check("10.1.1.1", &[(user, "ann"), (groups, "dev, platform")], Some(("ann", Role::Edit)));
        check("10.1.1.1", &[(user, "ann"), (groups, "platform-readers")], Some(("ann", Role::View)));
        check("10.1.1.1", &[(user, "ann"), (user, "eve"), (groups, "platform")], None);
        check("10.1.1.1", &[(user, "ann"), (groups, "dev"), (groups, "platform")], Some(("ann", Role::View)));
        check("10.1.1.1", &[(user, "  ")], None);
        check("10.1.1.1", &[(user, "Zoë\u{202e}")], Some(("Zoë\\u{202e}", Role::View)));
        check("10.1.1.1", &[(user, &"x".repeat(201))], None);
    }
}
