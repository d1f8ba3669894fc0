//! The modules together: a cache as the filter runs it over a model of Redis, an origin that writes
//! down what it was asked, and invariants C3 to C5 and C8 on every hit.

use super::freshness::Timing;
use super::reuse::Reuse;
use super::store::ResponseMeta;
use super::*;
use crate::http::Headers;
use crate::policy;
use proptest::prelude::*;
use std::collections::HashMap;

/// What an origin knows of a request, and says in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    path: u8,
    foo: Option<u8>,
    principal: u8,
    version: u32,
}

/// One event.
#[derive(Debug, Clone)]
enum Event {
    Get {
        path: u8,
        foo: Option<u8>,
        principal: u8,
    },
    Put {
        path: u8,
    },
    Wait {
        ms: u64,
    },
}

/// How the origin answers GETs of one path.
#[derive(Debug, Clone)]
struct Resource {
    cache_control: Vec<&'static str>,
    vary: &'static str,
}

const MAX_AGE_MS: u64 = 10_000;

/// URL and field.
type Name = (Vec<u8>, [u8; 16]);

#[derive(Default)]
struct Model {
    now_ms: u64,
    versions: [u32; 3],
    /// Redis: Vary list, and records with their birth, by URL.
    vary: HashMap<Vec<u8>, Vary>,
    records: HashMap<Name, (u64, Vec<u8>)>,
    hits: u32,
}

impl Asked {
    fn body(&self) -> Vec<u8> {
        let [a, b, c, d] = self.version.to_be_bytes();
        vec![
            self.path,
            self.foo.unwrap_or(255),
            self.principal,
            a,
            b,
            c,
            d,
        ]
    }

    fn read(body: &[u8]) -> Self {
        let foo = (body[1] != 255).then_some(body[1]);
        let version = u32::from_be_bytes([body[3], body[4], body[5], body[6]]);
        Self {
            path: body[0],
            foo,
            principal: body[2],
            version,
        }
    }
}

impl Model {
    /// A GET through the cache; the body and whether it came from store.
    fn get(&mut self, asked: &Asked, resource: &Resource, cache: &policy::Cache) -> (Asked, bool) {
        let path = format!("/{}", asked.path);
        let url = Url::new(b"http", b"a", path.as_bytes()).expect("valid");
        let mut headers = Headers::new();
        if let Some(foo) = asked.foo {
            headers.append("foo", vec![b'a' + foo]);
        }
        assert_eq!(
            request::lookup(b"GET", &headers, true),
            Lookup::Use { fill: true }
        );
        let meta = RequestMeta {
            method: b"GET",
            url: &url,
            policy: "p",
            headers: &headers,
            session: asked.principal != 0,
            extras: &[],
            credential: None,
        };
        let key = url.as_bytes().to_vec();
        let field = self
            .vary
            .get(&key)
            .cloned()
            .unwrap_or_default()
            .field("p", &headers, &[]);
        if let Some((born_ms, bytes)) = self.records.get(&(key.clone(), field)) {
            let record = Record::decode(bytes).expect("what was written");
            let (born, now) = (born_ms * 1000, self.now_ms * 1000);
            if let Reuse::Fresh(age) = reuse::check(&record, born, now, &meta, None) {
                self.hits += 1;
                let status = status::Status::Hit { ttl_s: age.ttl_s() };
                let answer = reuse::answer(&record, &meta, age, status);
                return (Asked::read(answer.body), true);
            }
        }
        let asked = Asked {
            version: self.versions[usize::from(asked.path)],
            ..asked.clone()
        };
        let body = asked.body();
        let response = Headers::from_pairs([
            ("cache-control", resource.cache_control.join(", ")),
            ("vary", resource.vary.to_owned()),
            ("content-length", body.len().to_string()),
        ]);
        let response = ResponseMeta {
            status: 200,
            headers: &response,
            end_of_stream: false,
            self_framed: false,
        };
        if let Ok(storing) = storable(&meta, &response, &Timing::default(), cache) {
            let age_ms = storing.times(0).expect("fresh").age_ms;
            let bytes = storing.encode(&body).expect("a record");
            self.records.insert(
                (storing.url.clone(), storing.field),
                (self.now_ms - age_ms, bytes),
            );
            self.vary.insert(storing.url, storing.vary);
        }
        (asked, false)
    }

    /// A PUT: changes the resource, and what is stored for it goes.
    fn put(&mut self, path: u8) {
        self.versions[usize::from(path)] += 1;
        assert_eq!(
            request::lookup(b"PUT", &Headers::new(), false),
            Lookup::Unsafe
        );
        let url = Url::new(b"http", b"a", format!("/{path}").as_bytes()).expect("valid");
        for target in invalidate::targets(&url, 204, &Headers::new()) {
            self.records.retain(|(key, _), _| key != target.as_bytes());
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..3_u8, prop::option::of(0..2_u8), 0..3_u8)
            .prop_map(|(path, foo, principal)| Event::Get { path, foo, principal }),
        1 => (0..3_u8).prop_map(|path| Event::Put { path }),
        1 => (1..6_000_u64).prop_map(|ms| Event::Wait { ms }),
    ]
}

fn resource() -> impl Strategy<Value = Resource> {
    let directives = [
        "max-age=10",
        "max-age=10",
        "public",
        "private",
        "no-store",
        "no-cache",
        "must-revalidate",
        "s-maxage=10",
    ];
    (
        prop::sample::subsequence(directives.to_vec(), 1..4),
        prop::sample::select(vec!["", "foo", "foo, bar", "*"]),
    )
        .prop_map(|(cache_control, vary)| Resource {
            cache_control,
            vary,
        })
}

proptest! {
    #[test]
    fn c3_c4_c5_c8_on_every_hit(
        resources in prop::collection::vec(resource(), 3),
        events in prop::collection::vec(event(), 1..60),
        shared in any::<bool>(),
    ) {
        let cache = policy::Cache {
            name: "c".to_owned(), ttl_max_ms: 60_000, max_body: 64, shared, ..policy::Cache::default()
        };
        let mut model = Model { now_ms: 1_000_000, ..Model::default() };
        let mut origin_ms = HashMap::new();
        for event in events {
            match event {
                Event::Wait { ms } => model.now_ms += ms,
                Event::Put { path } => model.put(path),
                Event::Get { path, foo, principal } => {
                    let resource = &resources[usize::from(path)];
                    let asked = Asked { path, foo, principal, version: 0 };
                    let (got, hit) = model.get(&asked, resource, &cache);
                    let stamp = (got.path, got.foo, got.principal, got.version);
                    if !hit {
                        prop_assert_eq!((got.path, got.foo, got.principal), (path, foo, principal));
                        origin_ms.insert(stamp, model.now_ms);
                        continue;
                    }
                    let says = |directive| resource.cache_control.contains(&directive);
                    prop_assert_eq!(got.path, path, "C4");
                    prop_assert!(resource.vary.is_empty() || got.foo == foo, "C4: vary");
                    prop_assert!(resource.vary != "*" && !says("private") && !says("no-store") && !says("no-cache"));
                    prop_assert_eq!(got.version, model.versions[usize::from(path)], "C3: invalidated");
                    let allowed = says("public") || says("s-maxage=10") || says("must-revalidate") || shared;
                    prop_assert!(got.principal == 0 || allowed, "C5: {:?} got {:?}", principal, got);
                    prop_assert!(model.now_ms - origin_ms[&stamp] < MAX_AGE_MS, "C8");
                }
            }
        }
    }
}

#[test]
fn the_model_does_hit() {
    let cache = policy::Cache {
        name: "c".to_owned(),
        ttl_max_ms: 60_000,
        max_body: 64,
        ..policy::Cache::default()
    };
    let resource = Resource {
        cache_control: vec!["max-age=10"],
        vary: "foo",
    };
    let mut model = Model {
        now_ms: 1_000_000,
        ..Model::default()
    };
    let asked = |foo| Asked {
        path: 1,
        foo: Some(foo),
        principal: 0,
        version: 0,
    };
    assert!(!model.get(&asked(0), &resource, &cache).1);
    assert!(model.get(&asked(0), &resource, &cache).1);
    assert!(
        !model.get(&asked(1), &resource, &cache).1,
        "another variant"
    );
    assert!(model.get(&asked(0), &resource, &cache).1 && model.get(&asked(1), &resource, &cache).1);
    model.put(1);
    assert!(!model.get(&asked(0), &resource, &cache).1, "invalidated");
    model.now_ms += 10_000;
    assert!(!model.get(&asked(0), &resource, &cache).1, "expired");
    assert_eq!(model.hits, 3);
}
