
/// Reads deliveries, one JSON object a line, and writes `true` or `false` for each.
fn main() {
    for line in std::io::stdin().lines() {
        let given: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let mut headers = http::HeaderMap::new();
        for (name, value) in given["headers"].as_object().expect("headers") {
            let name: http::HeaderName = name.parse().expect("a name");
            headers.insert(name, value.as_str().expect("a text").parse().expect("a value"));
        }
        let text = |name: &str| given[name].as_str().expect("a text").to_owned();
        println!("{}", verified(&text("secret"), text("body").as_bytes(), &headers).is_ok());
    }
}
