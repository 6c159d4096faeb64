//! The pages of the simulation.

/// The page that asks who signs in. Its form goes to the same address.
pub(super) fn login(path: &str, query: &str) -> String {
    let action = escape(&format!("{path}?{query}"));
    document(
        "Sign in",
        &format!(
            r#"<p class="mark">Simulated Cloudflare Access</p>
<h1>Sign in</h1>
<p>This is a simulation: type any address. The demo lets in those that end in <b>@example.com</b>.</p>
<form method="post" action="{action}">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="email" placeholder="ada@example.com" autofocus>
<button name="decision" value="login">Sign in</button>
<button class="quiet" name="decision" value="cancel" formnovalidate>Cancel</button>
</form>"#
        ),
    )
}

/// A page with a title and a sentence.
pub(super) fn message(title: &str, text: &str) -> String {
    document(
        title,
        &format!(r#"<p class="mark">Simulated Cloudflare Access</p><h1>{}</h1><p>{}</p>"#, escape(title), escape(text)),
    )
}

fn document(title: &str, content: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{} – simulated Access</title><style>{STYLE}</style></head><body><main>
{content}
</main></body></html>
"#,
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:16px;box-sizing:border-box;\
font:16px/1.5 system-ui,sans-serif;background:light-dark(#f4f1ea,#1b1a17);color:light-dark(#23201a,#efeae0)}\
main{width:100%;max-width:24rem;padding:32px;box-sizing:border-box;border-radius:16px;\
background:light-dark(#fff,#26241f)}\
.mark{margin:0;font-size:.875rem;color:light-dark(#9a4a00,#f2a65a)}h1{margin:.25rem 0 1rem;font-size:1.5rem}\
label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input,button{width:100%;min-height:44px;box-sizing:border-box;border-radius:8px;font:inherit;padding:0 12px}\
input{border:1px solid light-dark(#8a8478,#8a8478);background:transparent;color:inherit}\
button{margin-top:16px;border:0;background:light-dark(#9a4a00,#f2a65a);color:light-dark(#fff,#23201a);font-weight:600}\
.quiet{margin-top:8px;background:transparent;color:inherit}";
