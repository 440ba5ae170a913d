// The shop of the quickstart on the TypeScript SDK's server package (2.x), both eras from one factory.
//
//     typescript_server.mjs (stdio | http PORT)
//
// tests/interop/test_servers.py visits it with our client. The 1.x SDK is visited as server-everything.

import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
    McpServer, ResourceTemplate, WebStandardStreamableHTTPServerTransport, acceptedContent, completable,
    createMcpHandler, inputRequired, inputResponse, isLegacyRequest,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const [transport, port] = process.argv.slice(2);
const policies = { refunds: 'Refunds are paid within 14 days.', returns: 'Returns are free for 30 days.' };
const queue = new Set();
let learned = false;
let handler;

const text = value => ({ content: [{ type: 'text', text: value }] });
const beginning = values => typed => values.filter(value => value.startsWith(typed));
const form = z.object({ quantity: z.number().int().default(1), gift: z.boolean().default(false) });

async function progress(ctx, progress, total, message) {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    if (progressToken === undefined) return;
    await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total, message } });
}

function shop() {
    const server = new McpServer(
        { name: 'shop', version: '1.0.0' },
        {
            instructions: 'A small shop.',
            capabilities: { logging: {}, tools: { listChanged: true }, resources: { listChanged: true, subscribe: true } },
        },
    );
    const tool = (name, inputSchema, run, more = {}) => server.registerTool(name, { inputSchema: z.object(inputSchema), ...more }, run);

    tool('add', { a: z.number(), b: z.number() }, async ({ a, b }) => ({
        ...text(String(a + b)), structuredContent: { result: a + b },
    }), { outputSchema: z.object({ result: z.number() }) });
    tool('divide', { a: z.number(), b: z.number() }, async ({ a, b }) => {
        if (b === 0) throw new Error('Nothing can be divided by zero.');
        return text(String(a / b));
    });
    tool('count', { to: z.number() }, async ({ to }, ctx) => {
        for (let number = 1; number <= to; number++) await progress(ctx, number, to, `Counted to ${number}`);
        return text(`Counted to ${to}`);
    });
    tool('wait', {}, async (_, ctx) => {
        const key = randomUUID();
        queue.add(key);
        try {
            await progress(ctx, 0, undefined, 'Waiting');
            await new Promise((_, reject) => ctx.mcpReq.signal.addEventListener('abort', () => reject(new Error('cancelled'))));
        } finally {
            queue.delete(key);
        }
    });
    tool('note', {}, async (_, ctx) => {
        await ctx.mcpReq.log('warning', 'The shop closes soon');
        return text('noted');
    });
    tool('learn', {}, async () => {
        learned = true;
        if (handler) handler.notify.toolsChanged();
        shout();
        return text('learned');
    });
    tool('touch', {}, async () => {
        if (handler) handler.notify.resourceUpdated('shop://hours');
        await server.server.sendResourceUpdated({ uri: 'shop://hours' }).catch(() => {});
        return text('touched');
    });
    tool('order', { item: z.string() }, async ({ item }, ctx) => {
        const filled = acceptedContent(ctx.mcpReq.inputResponses, 'form', form);
        if (!filled) {
            return inputRequired({
                inputRequests: { form: inputRequired.elicit({ message: `How many of ${item}?`, requestedSchema: form }) },
            });
        }
        return text(`Ordered ${filled.quantity} x ${item}${filled.gift ? ', as a gift' : ''}.`);
    });
    tool('praise', {}, async (_, ctx) => {
        const answer = inputResponse(ctx.mcpReq.inputResponses, 'poem');
        if (answer.kind === 'missing') {
            const messages = [{ role: 'user', content: { type: 'text', text: 'A poem, please.' } }];
            return inputRequired({ inputRequests: { poem: inputRequired.createMessage({ messages, maxTokens: 100 }) } });
        }
        return text(`${answer.result.role}: ${answer.result.content.text}`);
    });
    tool('where', {}, async (_, ctx) => {
        const answer = inputResponse(ctx.mcpReq.inputResponses, 'roots');
        if (answer.kind === 'missing') return inputRequired({ inputRequests: { roots: inputRequired.listRoots() } });
        return text((answer.roots ?? answer.result.roots).map(root => root.uri).join(', '));
    });
    const shout = () => tool('shout', { text: z.string() }, async ({ text: said }) => text(said.toUpperCase()));
    if (learned) shout();

    const plain = (uri, value) => ({ contents: [{ uri: uri.href, mimeType: 'text/plain', text: value }] });
    const kind = { mimeType: 'text/plain' };
    server.registerResource('hours', 'shop://hours', kind, async uri => plain(uri, 'Monday to Friday, 9 to 17'));
    server.registerResource('queue', 'shop://queue', kind, async uri => plain(uri, String(queue.size)));
    const template = new ResourceTemplate('policy://{topic}', {
        list: undefined, complete: { topic: beginning(Object.keys(policies)) },
    });
    server.registerResource('policy', template, kind, async (uri, { topic }) => plain(uri, policies[topic]));
    server.registerPrompt(
        'triage',
        { argsSchema: z.object({ ticket: z.string(), tone: completable(z.string(), beginning(['brisk', 'calm'])) }) },
        ({ ticket, tone }) => ({
            messages: [{ role: 'user', content: { type: 'text', text: `Sort this ticket in a ${tone} tone: ${ticket}` } }],
        }),
    );
    return server;
}

// The stateful era wants sessions: one transport and one server for each.
const sessions = new Map();
async function stateful(request) {
    const known = sessions.get(request.headers.get('mcp-session-id'));
    if (known) return known.handleRequest(request);
    if (request.headers.has('mcp-session-id')) return new Response(null, { status: 404 });
    const made = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: id => { sessions.set(id, made); },
    });
    await shop().connect(made);
    return made.handleRequest(request);
}

if (transport === 'stdio') {
    serveStdio(shop);
} else {
    handler = createMcpHandler(shop, { legacy: 'reject' });
    const fetch = async request => (await isLegacyRequest(request)) ? stateful(request) : handler.fetch(request);
    createServer(toNodeHandler({ fetch })).listen(Number(port), '127.0.0.1');
}
