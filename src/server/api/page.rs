//! The API for people: one page without script and outside assets, made of the table.

use std::fmt::Write as _;

use super::route::Route;
use super::{BASE, openapi};

/// Its look, light and dark.
pub(super) const CSS: &str = "\
:root { color-scheme: light dark; --line: #8884; --quiet: #666; }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; } }
body { background: Canvas; color: CanvasText; font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2rem 0 .5rem; text-transform: capitalize; }
dl { margin: 0; }
dt { border-top: 1px solid var(--line); padding-top: .6rem; overflow-wrap: anywhere; }
dd { margin: 0 0 .6rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
pre { padding: .8rem; border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 600; }
.quiet { color: var(--quiet); }
";

/// The page.
pub(super) fn page(table: &[Route]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>catalog-sync API</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"stylesheet\" href=\"/api/page.css\">\n</head>\n<body>\n<main>\n<h1>catalog-sync API</h1>\n\
         <p>Everything the command line can do, by the same objects. Described for programs in \
         <a href=\"{place}\">{place}</a> (OpenAPI 3.1).</p>\n\
         <pre tabindex=\"0\">curl -H \"Authorization: Bearer $CATALOG_SYNC_TOKEN\" http://127.0.0.1:8321{BASE}/integrations</pre>\n\
         <p>Lists come in pages: <code>next</code> of one is the <code>cursor</code> of the next. Errors are \
         <code>application/problem+json</code>: what failed, because of what, and the mend.</p>\n",
        place = openapi::PLACE,
    );
    let mut tag = "";
    for route in table {
        if route.tag != tag {
            // Written into text: that cannot fail.
            let _ = write!(page, "{}<h2>{}</h2>\n<dl>\n", if tag.is_empty() { "" } else { "</dl>\n" }, route.tag);
            tag = route.tag;
        }
        let _ = write!(
            page,
            "<dt><code><span class=\"method\">{}</span> {BASE}{}</code></dt>\n<dd>{} <span class=\"quiet\">{}</span></dd>\n",
            route.method,
            route.path,
            coded(route.summary),
            coded(&openapi::description(route)),
        );
    }
    page.push_str("</dl>\n</main>\n</body>\n</html>\n");
    page
}

/// Our own words: escaped, with what stands between backticks as code.
fn coded(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}
