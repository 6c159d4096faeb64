//! How often an address may decide. In memory nothing flows back, so this runs here only.

use super::world::*;

#[test]
fn an_address_decides_sixty_times_a_minute() {
    let world = World::new();
    let (client, browser) = (world.client(), Browser::default());
    for number in 0..60 {
        let decision = if number % 2 == 0 { "approve" } else { "deny" };
        let form = browser.consent(&world, &client);
        assert_eq!(browser.decide(&world, &form, decision).status, 303, "{number}");
    }
    let form = browser.consent(&world, &client);
    let records = world.records();
    for decision in ["approve", "deny"] {
        let limited = browser.decide(&world, &form, decision);
        assert_eq!((limited.status, header(&limited, "retry-after")), (429, Some("60")), "{decision}");
        assert!(text(&limited).contains("Too many requests"));
    }
    assert_eq!(world.records(), records, "what is refused writes nothing");
    world.move_on();
    assert_eq!(browser.decide(&world, &form, "approve").status, 303, "the form is as good as before");
}
