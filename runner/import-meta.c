/* SPDX-License-Identifier: MIT */
/*
 * runner/import-meta.c - what an exported snapshot says of itself
 *
 * podflared, loop thread.  Distrusts what is read: nobody knows where it comes
 * from.  Each member has a type and bounds; texts that are shown or used as names
 * have a small alphabet.
 */
#include "runner/import-meta.h"

#include <ctype.h>
#include <stdio.h>

#include "common/jsonrpc.h"
#include "runner/agent-json.h"
#include "runner/idle.h"
#include "runner/param.h"
#include "runner/snapshot.h"

#define TEXTS_MAX (64 * 1024)	/* bytes of env, of labels */

char *import_meta_make(const struct sandbox *s)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:O, s:O, "
		"s:I, s:b, s:b, s:b}",
		"podflare", PACKAGE_VERSION, "name", s->name, "sandbox_name",
		s->origin.parent_name, "created", s->created, "image", s->image,
		"image_digest", s->digest, "kernel", s->kernel, "cpus",
		(int)s->cpus, "memory", (json_int_t)s->memory, "disk",
		(json_int_t)s->disk, "env", s->env, "labels", s->labels,
		"idle_timeout_ms", (json_int_t)s->idle_ms, "idle_rm",
		s->idle_rm, "disk_only", s->disk_only, "card", s->card);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

static int damaged(struct err *err)
{
	return err_set(err, ERR_IO, "its description is damaged");
}

/* Of letters, digits and a few signs, no longer than fits. */
static int get_plain(const json_t *o, const char *key, char *out, size_t size)
{
	const char *s = param_str(o, key, "");
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("_.:+~-", s[i]))
			return -1;
	if (len >= size)
		return -1;
	memcpy(out, s, len + 1);
	return 0;
}

static int get_size(const json_t *o, const char *key, uint64_t min,
		    uint64_t max, uint64_t unit, uint64_t *out)
{
	int64_t v = param_int(o, key, 0);

	if (v < 0 || (uint64_t)v < min || (uint64_t)v > max ||
	    (uint64_t)v % unit)
		return -1;
	*out = (uint64_t)v;
	return 0;
}

static int get_texts(const json_t *o, const char *key, json_t **out)
{
	json_t *texts = param_get(o, key), *v;
	size_t total = 0;
	const char *k;

	json_object_foreach(texts, k, v)
		total += strlen(k) + json_string_length(v);
	if (!texts || total > TEXTS_MAX)
		return -1;
	*out = json_deep_copy(texts);
	return 0;
}

static int fill(struct sandbox *s, const json_t *o)
{
	struct sandbox_origin *from = &s->origin;
	struct err ignored = ERR_INIT;
	uint64_t cpus;

	if (get_plain(o, "image", s->image, sizeof(s->image)) < 0 ||
	    get_plain(o, "image_digest", s->digest, sizeof(s->digest)) < 0 ||
	    !image_digest_valid(s->digest) ||
	    get_plain(o, "kernel", s->kernel, sizeof(s->kernel)) < 0 ||
	    get_plain(o, "created", s->created, sizeof(s->created)) < 0 ||
	    get_plain(o, "sandbox_name", from->parent_name,
		      sizeof(from->parent_name)) < 0 ||
	    get_size(o, "cpus", 1, VM_CPUS_MAX, 1, &cpus) < 0 ||
	    get_size(o, "memory", VM_RAM_MIN, VM_RAM_MAX, VM_RAM_UNIT,
		     &s->memory) < 0 ||
	    get_size(o, "disk", DISK_SIZE_MIN, DISK_SIZE_MAX, MIB,
		     &s->disk) < 0 ||
	    get_size(o, "idle_timeout_ms", 0, IDLE_MAX_MS, 1, &s->idle_ms) < 0 ||
	    (s->idle_ms && s->idle_ms < IDLE_MIN_MS) ||
	    get_texts(o, "env", &s->env) < 0 ||
	    get_texts(o, "labels", &s->labels) < 0 ||
	    agent_check_env(s->env, &ignored) < 0)
		return -1;
	s->cpus = (unsigned int)cpus;
	s->idle_rm = param_bool(o, "idle_rm");
	s->disk_only = param_bool(o, "disk_only");
	/* what it may reach is not for a file to say: nothing, until --net */
	s->card = param_bool(o, "card");
	snprintf(from->how, sizeof(from->how), "import");
	return 0;
}

/* Whether it can be restored here, as far as that is known now. */
static int check_here(struct sandbox *s, const json_t *o, struct err *err)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };
	char version[32];

	if (get_plain(o, "podflare", version, sizeof(version)) < 0)
		return damaged(err);
	/* devices may look otherwise in another one; a disk is a disk */
	if (!s->disk_only && strcmp(version, PACKAGE_VERSION) != 0) {
		err_set(err, ERR_VERSION, "made by podflare %s, this is %s",
			version, PACKAGE_VERSION);
		return err_hint(err, "a snapshot is restored by the version "
				"that made it");
	}
	if (image_find(s->runner, s->digest, &img, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	*err = (struct err)ERR_INIT;
	err_set(err, ERR_NOT_FOUND, "its image %s (%s) is not here", s->image,
		s->digest);
	return err_hint(err, "copy the folder podflare/images/%s from the data "
			"folder of the host that it was exported on, then "
			"import again", s->digest);
}

struct sandbox *import_meta_register(struct runner *r, const char *text,
				     const char *name, struct err *err)
{
	json_t *o = jsonrpc_parse(text, strlen(text), NULL);
	char id[SANDBOX_ID_LEN + 1], chosen[PODFLARE_NAME_MAX + 1];
	struct sandbox *s = NULL;

	if (!o || param_check(o, "podflare:s name:s sandbox_name:s created:s "
			      "image:s image_digest:s kernel:s cpus:i memory:i "
			      "disk:i env:o labels:o idle_timeout_ms:i "
			      "idle_rm:b disk_only:b card?b", NULL) < 0 ||
	    (!name && !path_name_valid(param_str(o, "name", "")))) {
		damaged(err);
	} else if (snapshot_choose_name(r, name ? name : param_str(o, "name",
								   ""),
					"", chosen, sizeof(chosen), err) < 0) {
		if (err->code == ERR_EXISTS)
			err_hint(err, "podflare snapshot import FILE NAME "
				 "gives it another name");
	} else {
		names_id(id);
		s = sandbox_new(r, SB_SNAPSHOT, id, chosen, SB_CREATING, err);
	}
	if (s)
		s->saving = true;
	if (s && (fill(s, o) < 0 ? damaged(err) : check_here(s, o, err)) < 0) {
		sandbox_unregister(s);
		s = NULL;
	}
	json_decref(o);
	return s;
}
