/* SPDX-License-Identifier: MIT */
/*
 * runner/names.c - names and ids of new sandboxes
 *
 * podflared.  Names are an adjective and an animal, easy to say and to type;
 * the caller tries again when one is taken.
 */
#include "runner/names.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/util.h"

static const char *const adjectives[] = {
	"able", "agile", "amber", "ample", "azure", "bold", "brave", "bright",
	"brisk", "calm", "clever", "cosmic", "crisp", "curly", "daring", "deft",
	"eager", "early", "easy", "fair", "fancy", "fast", "fleet", "fond",
	"frank", "free", "fresh", "gentle", "glad", "golden", "grand", "green",
	"handy", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind",
	"lively", "loyal", "lucky", "lunar", "mellow", "merry", "mighty", "mild",
	"modest", "neat", "nimble", "noble", "pearly", "placid", "plucky",
	"polar", "proud", "quick", "quiet", "rapid", "ready", "royal", "rustic",
	"sandy", "sharp", "shiny", "silent", "silver", "sleek", "smart",
	"snappy", "snug", "solar", "solid", "spry", "steady", "stout", "sunny",
	"super", "swift", "tame", "tidy", "tiny", "tough", "true", "upbeat",
	"vivid", "warm", "wise", "witty", "young", "zesty",
};

static const char *const animals[] = {
	"ant", "badger", "bat", "bear", "beaver", "bee", "bison", "boar",
	"bobcat", "buck", "camel", "cat", "civet", "cobra", "cod", "condor",
	"cougar", "coyote", "crab", "crane", "crow", "deer", "dingo", "dog",
	"dove", "duck", "eagle", "eel", "egret", "elk", "emu", "falcon",
	"ferret", "finch", "fox", "frog", "gecko", "goat", "goose", "gull",
	"hare", "hawk", "heron", "horse", "hyena", "ibex", "ibis", "jackal",
	"jaguar", "jay", "koala", "lark", "lemur", "lion", "llama", "lynx",
	"magpie", "marten", "mole", "moose", "moth", "mouse", "mule", "newt",
	"ocelot", "orca", "oryx", "osprey", "otter", "owl", "ox", "panda",
	"parrot", "pony", "puffin", "puma", "quail", "rabbit", "raven", "robin",
	"salmon", "seal", "shark", "shrew", "sloth", "snail", "sparrow",
	"squid", "stork", "swan", "tapir", "tern", "tiger", "toad", "trout",
	"turtle", "viper", "walrus", "weasel", "whale", "wolf", "wombat",
	"wren", "yak", "zebra",
};

static uint32_t random_below(uint32_t n)
{
	uint32_t v = 0;

	/* 4 bytes are always served whole once the pool is up */
	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		BUG("getrandom");
	return v % n;
}

void names_id(char *out)
{
	uint8_t bytes[SANDBOX_ID_LEN / 2];
	size_t i;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		BUG("getrandom");
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

bool names_id_valid(const char *s)
{
	return strlen(s) == SANDBOX_ID_LEN &&
	       strspn(s, "0123456789abcdef") == SANDBOX_ID_LEN;
}

void names_random(char *out, size_t size, unsigned int attempt)
{
	const char *a = adjectives[random_below(ARRAY_SIZE(adjectives))];
	const char *b = animals[random_below(ARRAY_SIZE(animals))];

	if (attempt < 10)
		snprintf(out, size, "%s-%s", a, b);
	else
		snprintf(out, size, "%s-%s-%u", a, b, random_below(100000));
}
