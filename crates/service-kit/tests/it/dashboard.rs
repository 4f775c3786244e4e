//! Charts keep within their picture whatever they are given, and pages let nothing in.

use axum::body::Body;
use axum::response::IntoResponse as _;
use http::{Request, header};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use service_kit::dashboard::chart::{
    Bar, Bars, Columns, Funnel, Label, Line, Lines, Scale, Series, Step,
};
use service_kit::dashboard::{Choice, Frame, Markup, stylesheet};
use service_kit::http::Language;
use tower::ServiceExt as _;

const EVIL: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&\u{202e}\u{0}";

/// Rounding to tenths may add so much.
const ROUNDING: f64 = 0.11;

fn numbers(of: &str) -> Vec<f64> {
    of.split([' ', ','])
        .map(|part| part.parse().unwrap())
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

/// Every mark of every picture lies within it, and nothing but our own marks is there.
fn check_pictures(markup: &str) {
    let mut ids = Vec::new();
    for picture in markup.split("<svg ").skip(1) {
        let size = numbers(attribute(&format!(" {picture}"), "viewBox").unwrap());
        let (width, height) = (size[2], size[3]);
        let within = |x: f64, y: f64| {
            assert!(x.is_finite() && y.is_finite(), "{picture}");
            assert!(
                x >= 0.0 && x <= width + ROUNDING && y >= 0.0 && y <= height + ROUNDING,
                "({x}, {y}) is outside of {width} x {height}: {picture}"
            );
        };
        for tag in picture.split('<').skip(1) {
            let name = tag.split([' ', '>', '/']).next().unwrap();
            let place = |name: &str| -> f64 { attribute(tag, name).unwrap().parse().unwrap() };
            match name {
                "rect" => {
                    assert!(place("width") >= 0.0 && place("height") >= 0.0, "{tag}");
                    within(place("x"), place("y"));
                    within(place("x") + place("width"), place("y") + place("height"));
                }
                "circle" => within(place("cx"), place("cy")),
                "text" => within(place("x"), place("y")),
                "line" => {
                    within(place("x1"), place("y1"));
                    within(place("x2"), place("y2"));
                }
                "polyline" | "polygon" => {
                    for point in attribute(tag, "points").unwrap().split(' ') {
                        let point = numbers(point);
                        within(point[0], point[1]);
                    }
                }
                "title" | "desc" => ids.extend(attribute(tag, "id").map(str::to_owned)),
                "" | "svg" => {}
                other => panic!("<{other}> is none of our marks: {tag}"),
            }
        }
    }
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "names are told apart: {ids:?}");
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        0.0_f64..1e6,
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(f64::MIN_POSITIVE),
        Just(f64::MAX)
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![".{0,40}", Just(EVIL.to_owned()), "[а-я]{0,200}"]
}

fn any_labels() -> impl Strategy<Value = Vec<Label>> {
    let label = any_name().prop_map(|name| Label {
        short: name.chars().take(6).collect(),
        full: name,
    });
    prop::collection::vec(label, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn columns_never_leave_the_picture(
        labels in any_labels(),
        series in prop::collection::vec(
            (any_name(), prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..50, Just(0)], 0..70)),
            0..12,
        ),
    ) {
        let columns = Columns {
            title: EVIL, description: EVIL, empty: EVIL, language: Language::Russian, labels,
            series: series.into_iter().map(|(name, values)| Series { name, values }).collect(),
        };
        check_pictures(&columns.draw("columns").to_string());
    }

    #[test]
    fn lines_never_leave_the_picture(
        labels in any_labels(),
        lines in prop::collection::vec((any_name(), prop::collection::vec(prop::option::of(any_value()), 0..70)), 0..12),
        is_logarithmic in any::<bool>(),
    ) {
        let scale = if is_logarithmic { Scale::Logarithmic(vec![0.1, 1.0, 60.0, 3600.0]) } else { Scale::Counts };
        let lines = Lines {
            title: EVIL, description: EVIL, empty: EVIL, language: Language::English, labels, scale,
            format: |_, value| value.to_string(),
            lines: lines.into_iter().map(|(name, values)| Line { name, values }).collect(),
        };
        check_pictures(&lines.draw("lines").to_string());
    }

    #[test]
    fn bars_and_funnels_never_leave_the_picture(
        values in prop::collection::vec((any_name(), any_value(), any_name()), 0..40),
    ) {
        let bars = values.iter().map(|(name, value, told)| Bar::new(name, *value, told)).collect();
        let bars = Bars { title: EVIL, empty: EVIL, bars };
        check_pictures(&bars.draw("bars").to_string());
        let steps = values.into_iter().map(|(name, count, told)| Step { name, count, told }).collect();
        let funnel = Funnel { title: EVIL, empty: EVIL, steps };
        check_pictures(&funnel.draw("funnel").to_string());
    }
}

fn frame(language: Language) -> Frame<'static> {
    Frame {
        service: EVIL,
        title: EVIL,
        path: "/dashboard",
        language,
        choices: vec![Choice {
            label: EVIL.to_owned(),
            value: "30".to_owned(),
            current: true,
        }],
        query: vec![("account", "a&b=\"<".to_owned())],
        footer: EVIL.to_owned(),
        body: Markup::default(),
    }
}

#[tokio::test]
async fn a_page_needs_no_script_and_loads_its_style_from_us_only() {
    for language in [Language::Russian, Language::English] {
        let answer = frame(language).into_response();
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        let html = answer.into_body().collect().await.unwrap().to_bytes();
        let html = String::from_utf8(html.to_vec()).unwrap();
        assert!(html.contains(&format!("<html lang=\"{}\">", language.code())));
        for forbidden in [
            "<script", "<img", "<style", " style=", "http://", "https://",
        ] {
            assert!(!html.contains(forbidden), "{forbidden}: {html}");
        }
        // The other language keeps what is chosen.
        assert!(
            html.contains("?lang=en&#38;days=30&#38;account=a%26b%3D%22%3C")
                || html.contains("?lang=en&amp;days=30&amp;account=a%26b%3D%22%3C"),
            "{html}"
        );

        let (_, href) = html.split_once("<link rel=\"stylesheet\" href=\"").unwrap();
        let path = href.split('"').next().unwrap();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let style = stylesheet::<()>().oneshot(request).await.unwrap();
        assert_eq!(style.status(), 200);
        assert_eq!(
            style.headers()[header::CONTENT_TYPE],
            "text/css; charset=utf-8"
        );
        assert!(
            style.headers()[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let style = style.into_body().collect().await.unwrap().to_bytes();
        let style = String::from_utf8(style.to_vec()).unwrap();
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
}
