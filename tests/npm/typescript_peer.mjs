// Both TypeScript SDKs' clients against the quickstart: the client package (2.x) and the SDK (1.x).
//
//     typescript_peer.mjs (client|sdk) (legacy|modern) (URL | COMMAND...)
//
// Prints what it saw as one JSON object; tests/interop/test_peers.py judges it.

const [kind, era, ...target] = process.argv.slice(2);
const modern = era === 'modern';
const saw = {};
const asked = [];
const sampled = [];
let heard;
const changed = new Promise(resolve => { heard = resolve; });

// What the two packages spell differently.
const packages = {
    async client() {
        const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
        const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
        return {
            Client, StreamableHTTPClientTransport, StdioClientTransport,
            elicitation: 'elicitation/create',
            sampling: 'sampling/createMessage',
            toolsChanged: 'notifications/tools/list_changed',
            call: (params, options) => client.callTool(params, options),
            revision: () => client.getNegotiatedProtocolVersion(),
        };
    },
    async sdk() {
        const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
        const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
        const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
        const types = await import('@modelcontextprotocol/sdk/types.js');
        return {
            Client, StreamableHTTPClientTransport, StdioClientTransport,
            elicitation: types.ElicitRequestSchema,
            sampling: types.CreateMessageRequestSchema,
            toolsChanged: types.ToolListChangedNotificationSchema,
            call: (params, options) => client.callTool(params, undefined, options),
            revision: () => types.LATEST_PROTOCOL_VERSION,
        };
    },
};
const api = await packages[kind]();

const client = new api.Client(
    { name: `typescript-${kind}`, version: '1.0.0' },
    {
        capabilities: { elicitation: { form: {} }, sampling: {} },
        versionNegotiation: { mode: modern ? { pin: '2026-07-28' } : 'legacy' },
    },
);
client.setRequestHandler(api.elicitation, async request => {
    asked.push(request.params.message);
    return { action: 'accept', content: { quantity: 2, gift: true } };
});
client.setRequestHandler(api.sampling, async ({ params: { messages, maxTokens, systemPrompt } }) => {
    sampled.push([messages[0].content.text, maxTokens, systemPrompt]);
    return { role: 'assistant', content: { type: 'text', text: 'Roses are red.' }, model: 'a model' };
});
client.setNotificationHandler(api.toolsChanged, async () => heard('ToolsListChanged'));

const read = async uri => (await client.readResource({ uri })).contents[0].text;

async function basics() {
    saw.revision = api.revision();
    saw.tools = (await client.listTools()).tools.map(tool => tool.name).sort();
    let result = await api.call({ name: 'add', arguments: { a: 2, b: 3 } });
    saw.call = [result.structuredContent, result.content[0].text];
    result = await api.call({ name: 'divide', arguments: { a: 1, b: 0 } });
    saw.error = [result.isError, result.content[0].text];
    saw.resource = await read('shop://hours');
    const { resourceTemplates } = await client.listResourceTemplates();
    saw.template = [resourceTemplates[0].uriTemplate, await read('policy://refunds')];
    const prompt = await client.getPrompt({ name: 'triage', arguments: { ticket: 'Where is it?', tone: 'brisk' } });
    saw.prompt = prompt.messages[0].content.text;
    const ofPrompt = await client.complete({ ref: { type: 'ref/prompt', name: 'triage' }, argument: { name: 'tone', value: 'b' } });
    const ofTemplate = await client.complete({ ref: { type: 'ref/resource', uri: 'policy://{topic}' }, argument: { name: 'topic', value: 're' } });
    saw.completion = [ofPrompt.completion.values, ofTemplate.completion.values];
}

async function progress() {
    const steps = [];
    const onprogress = ({ progress, total, message }) => { steps.push([progress, total, message]); };
    await api.call({ name: 'count', arguments: { to: 3 } }, { onprogress });
    saw.progress = steps;
}

async function cancellation() {
    const controller = new AbortController();
    let started;
    const begun = new Promise(resolve => { started = resolve; });
    const call = api.call({ name: 'wait' }, { signal: controller.signal, onprogress: () => started() });
    const outcome = call.then(() => 'finished', () => 'cancelled');
    await begun;
    const inside = await read('shop://queue');
    controller.abort('changed my mind');
    await outcome;
    let after = inside;
    for (let tries = 0; tries < 500 && after !== '0'; tries++) after = await read('shop://queue');
    saw.cancellation = [inside, after];
}

async function notice() {
    const subscription = modern ? await client.listen({ toolsListChanged: true }) : null;
    await api.call({ name: 'learn' });
    const kind = await changed;
    const names = (await client.listTools()).tools.map(tool => tool.name);
    await api.call({ name: 'forget' });
    if (subscription) await subscription.close();
    saw.notice = [kind, names.includes('shout')];
}

async function elicitation() {
    const result = await api.call({ name: 'order', arguments: { item: 'tea' } });
    saw.elicitation = [asked, result.content[0].text];
}

async function sampling() {
    const result = await api.call({ name: 'praise' });
    saw.sampling = [sampled, result.content[0].text];
}

const transport = target.length === 1
    ? new api.StreamableHTTPClientTransport(new URL(target[0]))
    : new api.StdioClientTransport({ command: target[0], args: target.slice(1) });
try {
    await client.connect(transport);
    for (const step of [basics, progress, cancellation, notice, elicitation, sampling]) await step();
    await client.close();
} finally {
    console.log(JSON.stringify(saw));
}
process.exit(0);
