import static org.elasticsearch.rest.RestRequest.Method.GET;
import static org.elasticsearch.rest.RestRequest.Method.HEAD;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestHandler.Route;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/** One Elasticsearch node: EsNode HOME CONFIG. Ends when its standard input closes, so it is never orphaned. */
public class EsNode {
    private static final String NAME = "moodstream";

    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]).toRealPath();
        Path config = Path.of(args[1]).toRealPath();
        LogConfigurator.configureESLogging(); // before anything reads YAML
        LogConfigurator.setClusterName(NAME);
        LogConfigurator.setNodeName(NAME);
        Settings settings = Settings.builder().put("path.home", home).build();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, () -> NAME);
        LogConfigurator.configure(environment, true);
        Node node = new Node(environment, PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir()), PluginsLoader.loadPluginsBundles(environment.pluginsDir()), Map.of()));
        answerRoot(node);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
        try {
            node.start();
            while (System.in.read() >= 0) {}
            System.exit(0);
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static void close(Node node) {
        try {
            node.close();
            node.awaitClose(30, TimeUnit.SECONDS);
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    /** GET / is what a client asks first; the module that answers it isn't published as a jar. */
    private static void answerRoot(Node node) {
        ClusterService cluster = node.injector().getInstance(ClusterService.class);
        RestHandler root = (request, channel, client) -> {
            Build build = Build.current();
            channel.sendResponse(new RestResponse(RestStatus.OK, channel.newBuilder().startObject()
                .field("name", cluster.getNodeName())
                .field("cluster_name", cluster.getClusterName().value())
                .field("cluster_uuid", cluster.state().metadata().clusterUUID())
                .startObject("version")
                .field("number", build.version())
                .field("build_flavor", build.flavor())
                .field("build_type", build.type().displayName())
                .field("build_hash", build.hash())
                .field("build_date", build.date())
                .field("build_snapshot", build.isSnapshot())
                .field("lucene_version", Version.LATEST.toString())
                .field("minimum_wire_compatibility_version", build.minWireCompatVersion())
                .field("minimum_index_compatibility_version", build.minIndexCompatVersion())
                .endObject()
                .field("tagline", "You Know, for Search")
                .endObject()));
        };
        RestController rest = node.injector().getInstance(RestController.class);
        rest.registerHandler(new Route(GET, "/"), root);
        rest.registerHandler(new Route(HEAD, "/"), root);
    }
}
